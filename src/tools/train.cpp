// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <fmt/core.h>

#include "comm/together.hpp"
#include "config/print.hpp"
#include "metrics/process_memory.hpp"
#include "plan/memory.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "train/setup.hpp"
#include "train/trainer.hpp"

namespace tessera::tools {
namespace {

volatile std::sig_atomic_t stop_signal = 0;  // a signal handler can reach nothing else

extern "C" void remember_signal(int signal) {
  stop_signal = signal;
}

/// SIGUSR1 (Slurm's warning before the wall time), SIGTERM and SIGINT ask for a checkpoint and exit code 85.
void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = remember_signal;
  action.sa_flags = SA_RESTART | SA_RESETHAND;  // a second signal of the kind ends the process at once
  for (int signal : {SIGUSR1, SIGTERM, SIGINT}) sigaction(signal, &action, nullptr);
}

void print_opening(const Invocation& invocation, const config::Config& config, const tensor::Device& device) {
  fmt::print("{}\n", version_line(device));
  fmt::print("layout: {} ranks, data {}, {} threads a rank, {} ranks on this node\n", invocation.world.size(),
             invocation.world.size(), device.threads(), invocation.world.node_size());
  const auto resident = static_cast<std::uint64_t>(metrics::resident_memory_bytes());
  fmt::print("{}\n",
             plan::describe(plan::predict_memory(config, {invocation.world.size(), device.threads(), resident})));
  fmt::print("{}\n", config::to_ini(config));
}

}  // namespace

base::ExitCode run_train(Invocation& invocation) {
  const std::vector<config::Flag> flags = {{"quiet", false, "print errors only"}};
  ConfigCall call = load_config_call(invocation, "train", flags, {"data.train", "run.dir", "run.steps", "optim.batch"});
  if (call.help_shown) return base::ExitCode::done;
  invocation.world.set_timeout(call.config.parallel.timeout);
  const std::unique_ptr<tensor::Device> device = make_device(invocation.world, call.threads);
  settle_precision(invocation, call.config);
  const bool quiet = call.flags.contains("quiet");
  install_signal_handlers();
  train::TrainHooks hooks;
  hooks.quiet = quiet;
  hooks.version = version_line(*device);
  hooks.begins = [&](const config::Config& resolved) {
    if (invocation.is_root() && !quiet) print_opening(invocation, resolved, *device);
  };
  hooks.stop_requested = [] { return stop_signal != 0; };
  return train::train(invocation.world, *device, call.config, hooks);
}

}  // namespace tessera::tools
