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
  /// In place of `run`, before MPI starts.
  std::optional<base::ExitCode> (*before_mpi)(const std::vector<std::string>& arguments) = nullptr;
};

constexpr Action kActions[] = {
    {"list", "DIR|RUN [--deep]", "the checkpoints of a folder, newest first", list_checkpoints},
    {"show", "FILE|RUN [--config] [--tensors PATTERN]", "what a checkpoint holds", show_checkpoint},
    {"verify", "FILE|DIR|RUN...", "checks every byte, in a process with limits", nullptr, verify_checkpoints},
    {"prune", "DIR|RUN --keep N [--dry-run]", "removes older checkpoints", prune_checkpoints},
    {"average", "FILE... --output FILE.h5", "the mean of several models", average_checkpoints},
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

std::optional<base::ExitCode> checkpoint_before_mpi(const std::vector<std::string>& arguments) {
  for (const Action& action : kActions)
    if (action.before_mpi && !arguments.empty() && arguments.front() == action.name)
      return action.before_mpi({arguments.begin() + 1, arguments.end()});
  return {};
}

base::ExitCode run_checkpoint(Invocation& invocation) {
  return on_root(invocation, [&] { return choose_action(invocation); });  // files are written once
}

}  // namespace tessera::tools
