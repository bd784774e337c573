// SPDX-License-Identifier: Apache-2.0
#include "comm/together.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/core.h>

#include "base/error.hpp"
#include "comm/by_rank.hpp"

namespace tessera::comm {

void together(const Communicator& ranks, const char* what, const std::function<void()>& action) {
  std::string mine;  // "<exit code> <message>", empty if all went well
  try {
    action();
  } catch (const base::Error& error) {
    mine = fmt::format("{} {}", static_cast<int>(error.code()), error.what());
  } catch (const std::exception& error) {
    mine = fmt::format("{} {}", static_cast<int>(base::ExitCode::failed), error.what());
  }
  const std::vector<std::string> all = ranks.gather_text(mine, what);
  const auto first = std::find_if(all.begin(), all.end(), [](const std::string& text) { return !text.empty(); });
  if (first == all.end()) return;
  const int code = std::atoi(first->c_str());
  std::vector<std::string> messages;
  for (const std::string& text : all) messages.push_back(text.substr(text.empty() ? 0 : text.find(' ') + 1));
  const bool alike = std::count(messages.begin(), messages.end(), messages.front()) == ranks.size();
  std::string message = alike ? messages.front() : "";
  if (!alike)
    for (const std::string& line : by_rank(messages, ranks.gather_text(ranks.host(), what)))
      message += (message.empty() ? "" : "\n") + line;
  throw base::SharedError(message, static_cast<base::ExitCode>(code));
}

void require_equal(const Communicator& ranks, const std::string& text, const char* what, const char* remedy) {
  const std::vector<std::string> texts = ranks.gather_text(text, what), hosts = ranks.gather_text(ranks.host(), what);
  std::string differing;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    const auto first = std::find(texts.begin(), texts.end(), texts[rank]);
    if (first != texts.begin() + static_cast<std::ptrdiff_t>(rank)) continue;
    differing += fmt::format("{}{} on {} (the first is rank {} on {})", rank == 0 ? "" : ", ", texts[rank],
                             std::count(first, texts.end(), texts[rank]), rank, hosts[rank]);
  }
  if (std::count(texts.begin(), texts.end(), texts.front()) == static_cast<std::ptrdiff_t>(texts.size())) return;
  throw base::SharedError(fmt::format("the ranks differ in {}: {}; {}", what, differing, remedy),
                          base::ExitCode::usage);
}

}  // namespace tessera::comm
