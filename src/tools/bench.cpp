// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <memory>
#include <optional>

#include "base/units.hpp"
#include "comm/together.hpp"
#include "config/layout.hpp"
#include "config/threads.hpp"
#include "metrics/process_memory.hpp"
#include "plan/memory.hpp"
#include "tensor/library.hpp"
#include "tools/bench_checkpoint.hpp"
#include "tools/bench_measure.hpp"
#include "tools/bench_sums.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/machines.hpp"
#include "tools/synthetic.hpp"
#include "train/setup.hpp"

namespace tessera::tools {
namespace {

const std::vector<config::Flag> kFlags = {
    {"measure", true, "measured steps; the median counts (5)"},
    {"warmup", true, "steps before them (2)"},
    {"checkpoint", true, "folder: write and read checkpoints there instead, and train while they are written"},
    {"steps-only", false, "leave out the machine's own rates, which take seconds, and the shares of them"},
    {"json", false, "print one JSON object"},
};

/// What is measured, and on what tokens.
struct BenchSetup {
  config::Config config;  ///< resolved
  std::int64_t num_measured = 5, num_warmup = 2;
  std::optional<data::TokenFile> synthetic;
  std::unique_ptr<train::RunData> data;
  train::TokenMixture tokens;

  void use_synthetic_tokens(int ranks);
};

void BenchSetup::use_synthetic_tokens(int ranks) {
  synthetic.emplace(synthetic_tokens(std::max<std::int64_t>(1 << 20, 2 * config.model.context)));
  if (config.model.vocab < synthetic->vocab_size())
    base::fail_usage(
        "model.vocab = {} is smaller than the {} of the tokens that bench makes without data.train: set data.train, or "
        "model.vocab = {}",
        config.model.vocab == 0 ? "auto" : std::to_string(config.model.vocab), synthetic->vocab_size(),
        synthetic->vocab_size());
  tokens = train::TokenRange{&*synthetic, 0, synthetic->num_tokens()};
  if (config.optim.micro_batch == 0) config.optim.micro_batch = train::automatic_micro_batch(config, ranks);
}

std::int64_t steps_of(const ConfigCall& call, const char* flag, std::int64_t fallback, std::int64_t least) {
  constexpr std::int64_t kMost = 1000000;
  const auto found = call.flags.find(flag);
  if (found == call.flags.end()) return fallback;
  const std::string& text = found->second.back();
  std::int64_t steps = -1;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), steps);
  if (error != std::errc() || stop != text.data() + text.size() || steps < least || steps > kMost)
    base::fail_usage("--{} = '{}' is not a number of steps from {} to {}", flag, text, least, kMost);
  return steps;
}

/// Collective.
void set_up(const comm::Communicator& world, const ConfigCall& call, BenchSetup& setup) {
  comm::together(world, "bench set-up", [&] {
    setup.config = call.config;
    setup.num_measured = steps_of(call, "measure", setup.num_measured, 1);
    setup.num_warmup = steps_of(call, "warmup", setup.num_warmup, 0);
    if (call.threads > config::affinity_cores())
      base::fail_usage("run.threads = {} on {} usable core(s): figures would mean nothing; use mpirun --bind-to none",
                       call.threads, config::affinity_cores());
    setup.config.run.steps = std::max(setup.config.run.steps, setup.num_warmup + setup.num_measured);
    setup.config.optim.batch_start = setup.config.optim.batch_ramp = 0;  // the batch that a run settles at
    if (setup.config.data.train.empty()) return setup.use_synthetic_tokens(world.size());
    setup.data = std::make_unique<train::RunData>(setup.config.data);
    setup.config = train::resolve(setup.config, *setup.data, world.size());
    setup.tokens = setup.data->mixture;
  });
}

/// Collective.
void measure_machine(const comm::Communicator& world, train::Replica& replica, BenchFigures& figures) {
  const base::DType dtype = model::element_type(replica.config());
  const int threads = static_cast<int>(figures.threads);
  figures.matrix_gflops = world.sum(tensor::measure_matrix_gflops(dtype, threads), "matrix rate");
  figures.memory_bytes_per_second = world.sum(tensor::measure_memory_bandwidth(threads), "memory rate");
  if (replica.mesh().shape().data > 1) figures.gradient_sum_seconds = measure_gradient_sums(replica);
}

}  // namespace

base::ExitCode run_bench(Invocation& invocation) {
  ConfigCall call = load_config_call(invocation, "bench", kFlags, {"optim.batch"});
  if (call.help_shown) return base::ExitCode::done;
  const comm::Communicator& world = invocation.world;
  invocation.world.set_timeout(call.config.parallel.timeout);
  settle_precision(invocation, call.config);
  BenchSetup setup;
  set_up(world, call, setup);
  if (call.config.optim.batch_ramp > 0 && invocation.is_root())
    fmt::print(stderr, "note: measured at optim.batch = {}, without the ramp to it\n", call.config.optim.batch);
  config::Config asked = setup.config;
  asked.run.steps = call.config.run.steps;
  print_warnings(invocation, asked, world.size());
  const std::unique_ptr<tensor::Device> device = make_device(world, call.threads);

  BenchFigures figures;
  figures.ranks = world.size();
  figures.threads = device->threads();
  figures.num_measured = setup.num_measured;
  figures.machines = find_machines(world, device->threads());
  figures.cpu = tensor::cpu_name();
  figures.layout = config::layout_of(setup.config, world.size());
  metrics::reset_peak_memory();
  const auto resident = static_cast<std::uint64_t>(metrics::resident_memory_bytes());
  const comm::Mesh mesh = make_mesh(world, setup.config);
  train::Replica replica(mesh, *device, setup.config, setup.tokens);
  if (call.flags.contains("checkpoint")) {
    const CheckpointFigures cost = measure_checkpoints(replica, call.flags.at("checkpoint").back());
    if (invocation.is_root())
      fmt::print("{}", call.flags.contains("json") ? checkpoint_json(cost) : checkpoint_text(cost, world.size()));
    return base::ExitCode::done;
  }
  figures.tokens_per_step = replica.batches().num_targets(setup.num_warmup);
  measure_steps(replica, setup.num_warmup, setup.num_measured, figures);
  figures.peak_memory_bytes =
      static_cast<std::int64_t>(world.max(static_cast<double>(metrics::peak_memory_bytes()), "peak memory"));
  const plan::MemoryPlan plan = plan::predict_memory(setup.config, {mesh.shape(), device->threads(), resident});
  figures.predicted_memory_bytes = plan.total() - plan.checkpoint;  // nothing is saved here
  // The machine's rates last: their buffers would count as the program's memory, and be used again by the steps.
  if (!call.flags.contains("steps-only")) measure_machine(world, replica, figures);
  if (!invocation.is_root()) return base::ExitCode::done;
  if (call.flags.contains("json"))
    fmt::print("{}", bench_json(setup.config, figures));
  else
    fmt::print("{}\n{}", version_line(*device), bench_text(setup.config, figures));
  return base::ExitCode::done;
}

}  // namespace tessera::tools
