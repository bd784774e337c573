// SPDX-License-Identifier: Apache-2.0
#include "comm/together.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/core.h>

#include "base/error.hpp"

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
  const auto message_of = [](const std::string& text) { return text.substr(text.find(' ') + 1); };
  std::string message = message_of(*first);
  if (!std::all_of(all.begin(), all.end(), [&](const std::string& text) { return text == *first; })) {
    message.clear();
    for (std::size_t rank = 0; rank < all.size(); ++rank)
      if (!all[rank].empty())
        message += fmt::format("{}rank {}: {}", message.empty() ? "" : "\n", rank, message_of(all[rank]));
  }
  throw base::SharedError(message, static_cast<base::ExitCode>(std::atoi(first->c_str())));
}

}  // namespace tessera::comm
