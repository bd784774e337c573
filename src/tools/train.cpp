// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <fmt/core.h>

#include "comm/together.hpp"
#include "config/print.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/job_environment.hpp"
#include "tools/launcher.hpp"
#include "tools/opening.hpp"
#include "tools/stop_request.hpp"
#include "tools/submit.hpp"
#include "train/setup.hpp"
#include "train/trainer.hpp"

namespace tessera::tools {
namespace {

/// By every rank, so that what is wrong is told once. Collective. Throws base::SharedError.
JobEnvironment shared_job_environment(const Invocation& invocation) {
  JobEnvironment job;
  comm::together(invocation.world, "environment of the job", [&] { job = read_job_environment(); });
  return job;
}

}  // namespace

/// Before MPI starts, so that its threads leave the signals alone and one that comes early is not lost.
std::optional<base::ExitCode> prepare_train(const std::vector<std::string>& arguments) {
  if (const std::optional<base::ExitCode> submitted = submit_training(arguments)) return submitted;
  const bool quiet = std::find(arguments.begin(), arguments.end(), "--quiet") != arguments.end();
  listen_for_stop_signals(is_first_process() && !quiet);
  return {};
}

base::ExitCode run_train(Invocation& invocation) {
  ConfigCall call =
      load_config_call(invocation, "train", train_flags(), {"data.train", "run.dir", "run.steps", "optim.batch"});
  if (call.help_shown) return base::ExitCode::done;
  comm::together(invocation.world, "flags", [&] { require_no_submit_flags(call.flags); });
  invocation.world.set_timeout(call.config.parallel.timeout);
  const std::unique_ptr<tensor::Device> device = make_device(invocation.world, call.threads);
  settle_precision(invocation, call.config);
  const comm::Mesh mesh = make_mesh(invocation.world, call.config);
  const bool quiet = call.flags.contains("quiet");
  const JobEnvironment job = shared_job_environment(invocation);
  train::TrainHooks hooks;
  hooks.quiet = quiet;
  hooks.limits = job.limits;
  hooks.version = version_line(*device);
  hooks.begins = [&](const config::Config& resolved) {
    print_warnings(invocation, resolved, invocation.world.size());
    const std::vector<std::string> nodes = mesh.all().gather_text(node_name(invocation.world.host()), "nodes");
    if (!invocation.is_root() || quiet) return;
    for (const std::string& line : opening_lines(mesh, resolved, *device, invocation.arguments, nodes, job))
      fmt::print("{}\n", line);
    fmt::print("\n{}\n", config::to_ini(resolved));
    std::fflush(stdout);  // a job that is killed while it loads has told where and what it was
  };
  hooks.stop_requested = stop_requested;
  return train::train(mesh, *device, call.config, hooks);
}

}  // namespace tessera::tools
