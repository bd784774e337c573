// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <fmt/core.h>
#include <optional>

#include "base/units.hpp"
#include "comm/together.hpp"
#include "config/threads.hpp"
#include "json/json.hpp"
#include "metrics/process_memory.hpp"
#include "plan/memory.hpp"
#include "tensor/library.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/synthetic.hpp"
#include "train/flops.hpp"
#include "train/setup.hpp"
#include "train/train_step.hpp"

namespace tessera::tools {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

const std::vector<config::Flag> kFlags = {
    {"measure", true, "measured steps; the median counts (5)"},
    {"warmup", true, "steps before them (2)"},
    {"json", false, "print one JSON object"},
};

struct Measured {
  double seconds_per_step = 0, matrix_gflops = 0, communication_seconds = 0, communication_hidden_seconds = 0;
};

}  // namespace

base::ExitCode run_bench(Invocation& invocation) {
  ConfigCall call = load_config_call(invocation, "bench", kFlags, {"optim.batch"});
  if (call.help_shown) return base::ExitCode::done;
  settle_precision(invocation, call.config);
  const comm::Communicator& world = invocation.world;
  std::optional<data::TokenFile> synthetic;
  std::unique_ptr<train::RunData> data;
  train::TokenRange tokens;
  config::Config config = call.config;
  std::int64_t num_measured = 5, num_warmup = 2;
  comm::together(world, "bench set-up", [&] {
    if (call.flags.contains("measure")) num_measured = base::parse_count(call.flags.at("measure").back());
    if (call.flags.contains("warmup")) num_warmup = base::parse_count(call.flags.at("warmup").back());
    if (num_measured < 1) base::fail_usage("--measure must be at least 1");
    if (call.threads > config::affinity_cores())
      base::fail_usage("run.threads = {} on {} usable core(s): figures would mean nothing; use mpirun --bind-to none",
                       call.threads, config::affinity_cores());
    config.run.steps = std::max(config.run.steps, num_warmup + num_measured);
    if (config.data.train.empty()) {
      if (config.model.vocab == 0) base::fail_usage("model.vocab = auto needs data.train: set one of the two");
      synthetic.emplace(synthetic_tokens(std::max<std::int64_t>(1 << 20, 2 * config.model.context)));
      tokens = {&*synthetic, 0, synthetic->num_tokens()};
      if (config.optim.micro_batch == 0)
        config.optim.micro_batch =
            train::automatic_micro_batch(config.optim.batch / world.size(), config.model.context);
    } else {
      data = std::make_unique<train::RunData>(config.data);
      config = train::resolve(config, *data, world.size());
      tokens = data->train;
    }
  });

  tensor::Device device(call.threads);
  Measured measured;
  measured.matrix_gflops =
      world.sum(tensor::measure_matrix_gflops(train::element_type(config), device.threads()), "matrix rate");
  metrics::reset_peak_memory();  // of the matrices just multiplied
  const auto resident = static_cast<std::uint64_t>(metrics::resident_memory_bytes());
  train::Replica replica(world, device, config, tokens);
  std::vector<double> seconds;
  double waited = 0, communicating = 0;
  std::int64_t updates = 0;
  for (std::int64_t step = 1; step <= num_warmup + num_measured; ++step) {
    if (step == num_warmup + 1) {
      waited = replica.sync().wait_seconds();
      communicating = replica.sync().busy_seconds();
    }
    world.barrier("bench step");
    const Clock::time_point start = Clock::now();
    train::train_step(replica, step, updates, false);
    if (step > num_warmup) seconds.push_back(seconds_since(start));
  }
  measured.seconds_per_step = world.max(median(seconds), "time of a step");
  const auto steps = static_cast<double>(num_measured);
  const double not_hidden = (replica.sync().wait_seconds() - waited) / steps;
  measured.communication_seconds =
      world.max((replica.sync().busy_seconds() - communicating) / steps, "communication time");
  measured.communication_hidden_seconds =
      std::max(0.0, measured.communication_seconds - world.max(not_hidden, "waiting time"));

  const auto tokens_per_step = static_cast<double>(config.optim.batch * config.model.context);
  const train::FlopsPerToken flops = train::flops_per_token(config.model);
  const double gflops = flops.causal * tokens_per_step / measured.seconds_per_step * 1e-9;
  const double palm = flops.palm * tokens_per_step / measured.seconds_per_step * 1e-9;
  const auto peak =
      static_cast<std::int64_t>(world.max(static_cast<double>(metrics::peak_memory_bytes()), "peak memory"));
  const std::uint64_t predicted = plan::predict_memory(config, {world.size(), device.threads(), resident}).total();
  if (!invocation.is_root()) return base::ExitCode::done;
  if (call.flags.contains("json")) {
    json::Json object{json::Object{}};
    object.set("seconds_per_step", measured.seconds_per_step);
    object.set("tokens_per_second", tokens_per_step / measured.seconds_per_step).set("gflops", gflops);
    object.set("matrix_gflops", measured.matrix_gflops).set("matrix_share", gflops / measured.matrix_gflops);
    object.set("mfu_causal", gflops / measured.matrix_gflops).set("mfu_palm", palm / measured.matrix_gflops);
    object.set("peak_memory_bytes", peak).set("predicted_memory_bytes", predicted);
    object.set("communication_seconds", measured.communication_seconds);
    object.set("communication_hidden_seconds", measured.communication_hidden_seconds);
    object.set("ranks", world.size()).set("threads", device.threads()).set("steps", num_measured);
    fmt::print("{}\n", object.dump());
    return base::ExitCode::done;
  }
  fmt::print("{}\n{} rank(s) of {} thread(s), batch {} x {} tokens, micro-batch {}, median of {} steps\n",
             version_line(device), world.size(), device.threads(), config.optim.batch, config.model.context,
             config.optim.micro_batch, num_measured);
  fmt::print("step          {:.3f} ms\ntokens/s      {:.0f}\n", measured.seconds_per_step * 1e3,
             tokens_per_step / measured.seconds_per_step);
  fmt::print("rate          {:.1f} GFLOP/s of a matrix rate of {:.1f}: share {:.3f} (PaLM convention {:.3f})\n", gflops,
             measured.matrix_gflops, gflops / measured.matrix_gflops, palm / measured.matrix_gflops);
  fmt::print("communication {:.3f} ms a step, {:.3f} ms of it hidden\n", measured.communication_seconds * 1e3,
             measured.communication_hidden_seconds * 1e3);
  fmt::print("memory        {} measured peak, {} predicted\n", base::format_bytes(static_cast<std::uint64_t>(peak)),
             base::format_bytes(predicted));
  return base::ExitCode::done;
}

}  // namespace tessera::tools
