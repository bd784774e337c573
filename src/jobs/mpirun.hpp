// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace tessera::jobs {

/// The words that start `ranks` ranks of the program whose words follow, on this machine: the launcher of the MPI that
/// Tessera was built with, as PATH finds it, told that ranks may outnumber cores and are bound to none.
std::vector<std::string> mpirun_words(int ranks);

}  // namespace tessera::jobs
