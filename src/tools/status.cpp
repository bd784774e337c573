// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <fmt/core.h>

#include "jobs/status_report.hpp"
#include "metrics/lines.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/launcher.hpp"

namespace tessera::tools {
namespace {

constexpr std::size_t kMostRuns = 10000;

const std::vector<config::Flag> kFlags = {
    {"json", false, "print one JSON object, of several runs a list of them"},
};

}  // namespace

/// Runs squeue, so before MPI starts; in one process of a job.
std::optional<base::ExitCode> status_before_mpi(const std::vector<std::string>& arguments) {
  if (!is_first_process()) return base::ExitCode::done;
  const PlainCall call(arguments, true, "status RUN_DIR...", kFlags, kMostRuns);
  if (call.help_shown()) return base::ExitCode::done;
  if (call.positional().empty()) base::fail_usage("tessera status needs a run folder, the run.dir of a training");
  json::Json list{json::Array{}};
  base::ExitCode code = base::ExitCode::done;
  for (const std::string& dir : call.positional()) {
    try {
      const jobs::Report report = jobs::look_at_run(dir);
      if (!call.has("json")) fmt::print("{}", jobs::status_text(report, metrics::wall_seconds()));
      list.push(jobs::status_json(report, metrics::wall_seconds()));
    } catch (const base::UsageError& error) {  // the others can be told all the same
      fmt::print(stderr, "error: {}\n", error.what());
      code = base::ExitCode::usage;
    } catch (const std::exception& error) {  // what stands there is not what its name says
      fmt::print(stderr, "error: '{}' cannot be told: {}\n", dir, error.what());
      code = base::ExitCode::failed;
    }
  }
  if (!call.has("json") || list.as_array().empty()) return code;
  fmt::print("{}\n", call.positional().size() == 1 ? list.as_array().front().dump() : list.dump());
  return code;
}

}  // namespace tessera::tools
