// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "comm/mpi_check.hpp"

namespace tessera::comm {

std::vector<std::string> Communicator::gather_text(const std::string& mine, const char* what) const {
  const std::uint64_t length = mine.size();
  std::vector<std::uint64_t> lengths(static_cast<std::size_t>(size_));
  all_gather<std::uint64_t>({&length, 1}, lengths, what);
  const std::size_t longest = *std::max_element(lengths.begin(), lengths.end());
  std::vector<std::string> texts(static_cast<std::size_t>(size_));
  if (longest == 0) return texts;
  std::string padded = mine, all(longest * texts.size(), '\0');
  padded.resize(longest);
  all_gather<char>(padded, std::span<char>(all), what);
  for (std::size_t rank = 0; rank < texts.size(); ++rank) texts[rank] = all.substr(rank * longest, lengths[rank]);
  return texts;
}

std::string Communicator::broadcast_text(const std::string& text, int root, const char* what) const {
  std::uint64_t length = text.size();
  broadcast<std::uint64_t>({&length, 1}, root, what);
  std::string result = rank_ == root ? text : std::string(length, '\0');
  broadcast<char>(result, root, what);
  return result;
}

}  // namespace tessera::comm
