// SPDX-License-Identifier: Apache-2.0
#include "comm/by_rank.hpp"

#include <algorithm>
#include <cstddef>
#include <fmt/core.h>

namespace tessera::comm {

std::vector<std::string> by_rank(const std::vector<std::string>& texts, const std::vector<std::string>& hosts) {
  std::vector<std::string> lines;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    const std::string& text = texts[rank];
    if (text.empty() || std::find(texts.begin(), texts.end(), text) - texts.begin() < static_cast<std::ptrdiff_t>(rank))
      continue;
    const auto count = static_cast<std::size_t>(std::count(texts.begin(), texts.end(), text));
    if (texts.size() == 1)
      lines.push_back(text);
    else if (count == texts.size())
      lines.push_back(fmt::format("all {} ranks: {}", count, text));
    else if (count == 1)
      lines.push_back(fmt::format("rank {} on {}: {}", rank, hosts[rank], text));
    else
      lines.push_back(fmt::format("{} ranks, the first of them {} on {}: {}", count, rank, hosts[rank], text));
  }
  return lines;
}

std::vector<std::string> gather_by_rank(const Communicator& ranks, const std::string& mine, const char* what) {
  const std::vector<std::string> texts = ranks.gather_text(mine, what);
  if (std::all_of(texts.begin(), texts.end(), [](const std::string& text) { return text.empty(); })) return {};
  return by_rank(texts, ranks.gather_text(ranks.host(), what));
}

}  // namespace tessera::comm
