// SPDX-License-Identifier: Apache-2.0
#include "tools/scale.hpp"

#include <cstdlib>
#include <filesystem>
#include <fmt/core.h>

#include "config/nearest.hpp"
#include "jobs/program.hpp"
#include "tools/common.hpp"
#include "tools/launcher.hpp"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

struct Action {
  const char *name, *arguments, *summary;
  base::ExitCode (*run)(const std::vector<std::string>& arguments);
};

constexpr Action kActions[] = {
    {"run", "--config FILE --ranks 1,2,4 --output DIR", "measures what DIR lacks", scale_run},
    {"submit", "--config FILE --nodes 1,2,4 --output DIR", "the same as Slurm jobs, one a point", scale_submit},
    {"report", "DIR [--json]", "tables, report.csv, report.json, report.png", scale_report},
};

std::string usage() {
  std::string text;
  for (const Action& action : kActions)
    text += fmt::format("{:<7}tessera scale {:<7}{:<44}{}\n", text.empty() ? "Usage:" : "", action.name,
                        action.arguments, action.summary);
  return text + "`tessera scale run --help` lists all options; docs/scaling.md explains a study\n";
}

}  // namespace

std::string support_file(const std::string& name) {
  const fs::path bin = fs::path(jobs::path_of_this_program()).parent_path();
  std::vector<fs::path> folders = {bin / "../../..", bin / "../share/tessera", fs::current_path()};
  if (const char* home = std::getenv("TESSERA_HOME"); home && *home) folders.insert(folders.begin(), home);
  for (const fs::path& folder : folders) {
    std::error_code ignored;
    if (fs::is_regular_file(folder / name, ignored)) return fs::canonical(folder / name).string();
  }
  return "";
}

/// All of `tessera scale`: it starts ranks, so it must not be one.
std::optional<base::ExitCode> scale_before_mpi(const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  if (is_started_by_launcher()) {
    if (is_first_process())
      fmt::print(stderr, "error: tessera scale starts the ranks itself: leave out mpirun or srun before it\n");
    return base::ExitCode::usage;
  }
  if (name == "--help" || name == "-h") {
    fmt::print("{}", usage());
    return base::ExitCode::done;
  }
  std::vector<std::string> names;
  for (const Action& action : kActions) {
    if (name == action.name) return action.run({arguments.begin() + 1, arguments.end()});
    names.emplace_back(action.name);
  }
  if (name.empty()) base::fail_usage("tessera scale needs an action\n{}", usage());
  base::fail_usage("tessera scale: '{}' is no action; the nearest is '{}'\n{}", name, config::nearest(name, names),
                   usage());
}

}  // namespace tessera::tools
