// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/core.h>

#include "comm/together.hpp"
#include "config/layout.hpp"
#include "config/print.hpp"
#include "metrics/process_memory.hpp"
#include "plan/memory.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/launcher.hpp"
#include "tools/stop_request.hpp"
#include "tools/submit.hpp"
#include "train/setup.hpp"
#include "train/trainer.hpp"

namespace tessera::tools {
namespace {

void print_opening(const comm::Mesh& mesh, const config::Config& config, const tensor::Device& device) {
  fmt::print("{}\n", version_line(device));
  const int ranks = mesh.shape().size();
  fmt::print("layout: {}\n", config::describe(config.parallel, config::layout_of(config, ranks)));
  fmt::print("ranks: {} of {} thread(s), {} on this node\n", ranks, device.threads(), mesh.all().node_size());
  const auto resident = static_cast<std::uint64_t>(metrics::resident_memory_bytes());
  fmt::print("{}\n", plan::describe(plan::predict_memory(config, {mesh.shape(), device.threads(), resident})));
  fmt::print("{}\n", config::to_ini(config));
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
  train::TrainHooks hooks;
  hooks.quiet = quiet;
  hooks.version = version_line(*device);
  hooks.begins = [&](const config::Config& resolved) {
    print_warnings(invocation, resolved, invocation.world.size());
    if (invocation.is_root() && !quiet) print_opening(mesh, resolved, *device);
  };
  hooks.stop_requested = stop_requested;
  return train::train(mesh, *device, call.config, hooks);
}

}  // namespace tessera::tools
