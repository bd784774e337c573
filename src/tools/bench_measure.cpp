// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_measure.hpp"

#include <array>
#include <vector>

#include "base/quantile.hpp"
#include "base/stopwatch.hpp"
#include "pipeline/bubble.hpp"
#include "train/train_step.hpp"

namespace tessera::tools {
namespace {

/// Seconds of this rank so far.
struct Times {
  std::array<double, kNumStepParts> parts{};  // the last one is left 0
  std::array<AxisTimes, kNumAxes> axes{};
};

Times times_so_far(train::Replica& replica) {
  using tensor::Work;
  const tensor::WorkTimes& work = replica.device().times();
  const data_parallel::GradientSync& sync = replica.sync();
  const pipeline::Runner& runner = replica.runner();
  Times now;
  const double tensor_waits = replica.tensor_axis().wait_seconds();
  const double pipeline_waits = runner.wait_seconds() + replica.tied_embedding_seconds();
  const comm::MeshShape& mesh = replica.mesh().shape();
  now.axes = {{{mesh.data, sync.wait_seconds(), sync.busy_seconds()},
               {mesh.tensor, tensor_waits, tensor_waits},
               {mesh.pipeline, pipeline_waits, pipeline_waits + runner.hidden_seconds()}}};
  now.parts = {work.seconds(Work::matrix),
               work.seconds(Work::attention),
               work.seconds(Work::elementwise),
               work.seconds(Work::optimizer),
               replica.batches().load_seconds(),
               sync.wait_seconds() + tensor_waits + replica.tied_embedding_seconds(),
               runner.wait_seconds(),
               0.0};
  return now;
}

}  // namespace

void measure_steps(train::Replica& replica, std::int64_t num_warmup, std::int64_t num_measured, BenchFigures& figures) {
  const comm::Communicator& all = replica.mesh().all();
  std::vector<double> seconds;
  std::vector<pipeline::RunTimes> runs;
  Times before;
  std::int64_t updates = 0;
  for (std::int64_t step = 1; step <= num_warmup + num_measured; ++step) {
    if (step == num_warmup + 1) before = times_so_far(replica);
    all.barrier("bench step");
    const base::Clock::time_point start = base::Clock::now();
    train::train_step(replica, step, updates);
    if (step <= num_warmup) continue;
    seconds.push_back(base::seconds_since(start));
    runs.push_back(replica.runner().last_run());
  }
  const Times after = times_so_far(replica);
  const auto steps = static_cast<double>(num_measured);
  double total = 0, named = 0;
  for (const double one : seconds) total += one;
  for (std::size_t part = 0; part + 1 < kNumStepParts; ++part) {
    figures.part_seconds[part] = (after.parts[part] - before.parts[part]) / steps;
    named += figures.part_seconds[part];
  }
  figures.part_seconds.back() = total / steps - named;
  figures.seconds_per_step = all.max(base::median(seconds), "time of a step");
  for (std::size_t at = 0; at < kNumQuartiles; ++at)
    figures.step_quartiles[at] = all.max(base::quantile(seconds, 0.25 * static_cast<double>(at)), "spread of steps");
  for (std::size_t axis = 0; axis < kNumAxes; ++axis) {
    const AxisTimes &now = after.axes[axis], &then = before.axes[axis];
    figures.axes[axis].ranks = now.ranks;
    if (now.ranks == 1) continue;
    figures.axes[axis].waited = all.max((now.waited - then.waited) / steps, "waiting time");
    figures.axes[axis].total = all.max((now.total - then.total) / steps, "communication time");
  }
  // Pipelines of other data and tensor ranks have bubbles of their own.
  const double bubble = base::median(pipeline::idle_shares(replica.mesh().pipeline(), runs));
  figures.bubble_fraction = all.sum(bubble, "bubble") / static_cast<double>(all.size());
  figures.schedule = model::schedule_of(replica.config(), replica.mesh().shape().pipeline,
                                        static_cast<int>(replica.batches().num_micro_batches(num_warmup)));
}

}  // namespace tessera::tools
