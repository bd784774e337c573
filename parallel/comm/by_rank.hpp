// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace tessera::comm {

/// What ranks have to say, in as few lines as it takes: "" is nothing. Ranks that say the same share a line:
///   rank 3 on node7: TEXT
///   3 ranks, the first of them 1 on node7: TEXT
///   all 64 ranks: TEXT
/// Of a single rank the text alone. `hosts`: of each rank. Pure.
std::vector<std::string> by_rank(const std::vector<std::string>& texts, const std::vector<std::string>& hosts);

/// The same of this rank's text and those of the others, for one of them to print. Collective over `ranks`.
std::vector<std::string> gather_by_rank(const Communicator& ranks, const std::string& mine, const char* what);

}  // namespace tessera::comm
