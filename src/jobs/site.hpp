// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace tessera::jobs {

/// Absolute path of the file with facts of the site: $TESSERA_SITE, else slurm/site.env of $TESSERA_HOME, of this
/// folder, or of the one that `program` was built or installed in; "" if there is none. Throws base::UsageError if
/// $TESSERA_SITE cannot be read.
std::string find_site(const std::string& program);

/// The environment after a shell has read `site`, and TESSERA_RANKS_PER_NODE also if it is not exported. What the shell
/// complains of becomes `complaint`. Without a site the environment of this process. Before MPI starts only.
std::map<std::string, std::string> read_site(const std::string& site, std::string& complaint);

}  // namespace tessera::jobs
