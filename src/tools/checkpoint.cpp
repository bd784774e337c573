// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <string_view>

#include "config/nearest.hpp"
#include "tools/checkpoint_commands.hpp"
#include "tools/common.hpp"

namespace tessera::tools {
namespace {

struct Action {
  const char *name, *arguments, *summary;
  base::ExitCode (*run)(Invocation& invocation);  ///< gets what is behind the name
};

constexpr Action kActions[] = {
    {"export", "CHECKPOINT --to safetensors --output DIR", "a model for Hugging Face", export_checkpoint},
    {"import", "DIR --from safetensors --output FILE.h5", "a model of Hugging Face", import_checkpoint},
};

std::string usage() {
  std::string text;
  for (const Action& action : kActions)
    text += fmt::format("{:<7}tessera checkpoint {:<8}{:<42}{}\n", text.empty() ? "Usage:" : "", action.name,
                        action.arguments, action.summary);
  return text;
}

base::ExitCode choose_action(Invocation& invocation) {
  const std::string name = invocation.arguments.empty() ? "" : invocation.arguments.front();
  if (!name.empty()) invocation.arguments.erase(invocation.arguments.begin());
  std::vector<std::string> names;
  for (const Action& action : kActions) {
    if (name == action.name) return action.run(invocation);
    names.emplace_back(action.name);
  }
  if (name == "--help" || name == "-h") {
    fmt::print("{}", usage());
    return base::ExitCode::done;
  }
  if (name.empty()) base::fail_usage("tessera checkpoint needs an action\n{}", usage());
  base::fail_usage("tessera checkpoint: '{}' is no action; the nearest is '{}'\n{}", name, config::nearest(name, names),
                   usage());
}

}  // namespace

base::ExitCode run_checkpoint(Invocation& invocation) {
  return on_root(invocation, [&] { return choose_action(invocation); });  // files are written once
}

}  // namespace tessera::tools
