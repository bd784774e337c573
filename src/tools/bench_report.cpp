// SPDX-License-Identifier: Apache-2.0
#include "tools/bench_report.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <numeric>
#include <optional>

#include "base/units.hpp"
#include "json/json.hpp"
#include "train/flops.hpp"

namespace tessera::tools {
namespace {

struct Rates {
  double tokens_per_second, gflops;
  std::optional<double> matrix_share, palm_share;  ///< where the machine's own rate was measured
};

Rates rates_of(const config::Config& config, const BenchFigures& f) {
  const train::FlopsPerToken flops = train::flops_per_token(config.model);
  const double tokens_per_second = static_cast<double>(f.tokens_per_step) / f.seconds_per_step;
  const double gflops = flops.causal * tokens_per_second * 1e-9, palm = flops.palm * tokens_per_second * 1e-9;
  if (!f.has_machine_rates()) return {tokens_per_second, gflops, {}, {}};
  return {tokens_per_second, gflops, gflops / f.matrix_gflops, palm / f.matrix_gflops};
}

json::Json axes_json(const BenchFigures& f) {
  json::Json axes{json::Object{}};
  for (std::size_t axis = 0; axis < kNumAxes; ++axis) {
    json::Json times{json::Object{}};
    times.set("waited_seconds", f.axes[axis].waited).set("hidden_seconds", f.axes[axis].hidden());
    axes.set(kAxes[axis], std::move(times));
  }
  return axes;
}

json::Json spread_json(const BenchFigures& f) {
  constexpr const char* names[kNumQuartiles] = {"least", "lower_quartile", "median", "upper_quartile", "greatest"};
  json::Json spread{json::Object{}};
  for (std::size_t at = 0; at < kNumQuartiles; ++at) spread.set(names[at], f.step_quartiles[at]);
  return spread;
}

/// Where it was measured, and how the work was shared out.
void add_circumstances(const config::Config& config, const BenchFigures& f, json::Json& object) {
  json::Json hosts{json::Array{}};
  for (const Machine& machine : f.machines) {
    json::Json host{json::Object{}};
    host.set("host", machine.host).set("ranks", machine.ranks);
    hosts.push(host.set("cores", machine.cores).set("threads", machine.threads));
  }
  object.set("hosts", std::move(hosts)).set("cpu", f.cpu);
  const Machine& crowded = most_crowded(f.machines);
  object.set("cores", crowded.cores).set("busy_cores", crowded.threads);
  object.set("layout", config::describe(config.parallel, f.layout)).set("batch", config.optim.batch);
  object.set("micro_batch", config.optim.micro_batch).set("tokens_per_step", f.tokens_per_step);
}

std::string rate_text(const BenchFigures& f, const Rates& rates) {
  if (!f.has_machine_rates()) return fmt::format("rate          {:.1f} GFLOP/s\n", rates.gflops);
  return fmt::format(
      "rate          {:.1f} GFLOP/s of a matrix rate of {:.1f}: share {:.3f} (PaLM convention {:.3f})\n"
      "memory rate   {:.1f} GB/s of this machine, y += x\n",
      rates.gflops, f.matrix_gflops, *rates.matrix_share, *rates.palm_share, f.memory_bytes_per_second * 1e-9);
}

/// A line for each axis of several ranks, and one on the cores that are left for messages.
std::string communication_text(const BenchFigures& f) {
  if (f.ranks == 1) return "";
  constexpr const char* notes[] = {"", ", nothing is computed meanwhile", ", of it most in the bubble"};
  std::string text = "communication of a step, slowest rank:\n";
  for (std::size_t axis = 0; axis < kNumAxes; ++axis) {
    if (f.axes[axis].ranks == 1) continue;
    text += fmt::format("  {:<13} {:9.3f} ms waited for{}; {:.3f} ms hidden behind work\n", kAxes[axis],
                        f.axes[axis].waited * 1e3, notes[axis], f.axes[axis].hidden() * 1e3);
  }
  const Machine& crowded = most_crowded(f.machines);
  if (crowded.threads >= crowded.cores)
    text += fmt::format(
        "  {} thread(s) on {} core(s): all cores compute, so moving messages costs work: hidden means that no rank "
        "stood still for them\n",
        crowded.threads, crowded.cores);
  return text;
}

std::string bubble_text(const config::Config& config, const BenchFigures& f) {
  if (f.schedule.stages == 1) return "";
  return fmt::format("pipeline bubble: measured {:.3f}, formula {:.3f} ({}, {} stages{}, {} micro-batches)\n",
                     f.bubble_fraction, pipeline::bubble_fraction(f.schedule), config.parallel.pipeline_schedule,
                     f.schedule.stages,
                     f.schedule.virtual_stages > 1 ? fmt::format(" of {} chunks", f.schedule.virtual_stages) : "",
                     f.schedule.micro_batches);
}

void add_gradient_sums(const GradientSumSeconds& seconds, json::Json& object) {
  if (seconds.ordered == 0) return;
  json::Json sums{json::Object{}};
  sums.set("ordered", seconds.ordered).set("mpi", seconds.mpi);
  object.set("gradient_sum_seconds", std::move(sums));
}

std::string gradient_sums_text(const config::Config& config, const GradientSumSeconds& seconds) {
  if (seconds.ordered == 0) return "";
  return fmt::format("gradient sum  ordered{} {:.3f} ms, mpi {:.3f} ms (median of {})\n",
                     config.parallel.wire == "bf16" ? " (wire bf16)" : "", seconds.ordered * 1e3, seconds.mpi * 1e3,
                     kNumGradientSums);
}

}  // namespace

std::string bench_json(const config::Config& config, const BenchFigures& f) {
  const Rates rates = rates_of(config, f);
  json::Json parts{json::Object{}};
  for (std::size_t part = 0; part < kNumStepParts; ++part) parts.set(kStepParts[part], f.part_seconds[part]);
  json::Json object{json::Object{}};
  object.set("seconds_per_step", f.seconds_per_step).set("tokens_per_second", rates.tokens_per_second);
  object.set("step_seconds", spread_json(f));
  const auto of_machine = [&](double rate) { return f.has_machine_rates() ? json::Json(rate) : json::Json(); };
  object.set("gflops", rates.gflops).set("matrix_gflops", of_machine(f.matrix_gflops));
  object.set("matrix_share", rates.matrix_share);
  object.set("mfu_causal", rates.matrix_share).set("mfu_palm", rates.palm_share);
  object.set("memory_bytes_per_second", of_machine(f.memory_bytes_per_second)).set("seconds_by_part", std::move(parts));
  object.set("peak_memory_bytes", f.peak_memory_bytes).set("predicted_memory_bytes", f.predicted_memory_bytes);
  // Of data and tensor axis; pipeline waits are mostly the bubble.
  object.set("communication_seconds", f.axes[0].total + f.axes[1].total);
  object.set("communication_hidden_seconds", f.axes[0].hidden() + f.axes[1].hidden());
  object.set("communication_by_axis", axes_json(f));
  object.set("bubble_fraction", f.bubble_fraction).set("bubble_formula", pipeline::bubble_fraction(f.schedule));
  add_gradient_sums(f.gradient_sum_seconds, object);
  object.set("precision", config.run.precision).set("recompute", config.run.recompute);
  object.set("ranks", f.ranks).set("threads", f.threads).set("steps", f.num_measured);
  add_circumstances(config, f, object);
  return object.dump() + "\n";
}

std::string bench_text(const config::Config& config, const BenchFigures& f) {
  const Rates rates = rates_of(config, f);
  std::string text = fmt::format(
      "{} rank(s) of {} thread(s), {}, batch {} x {} tokens, micro-batch {}, median of {} steps\n", f.ranks, f.threads,
      config.run.precision, config.optim.batch, config.model.context, config.optim.micro_batch, f.num_measured);
  text += fmt::format("step          {:.3f} ms\n", f.seconds_per_step * 1e3);
  const double total = std::accumulate(f.part_seconds.begin(), f.part_seconds.end(), 0.0);
  for (std::size_t part = 0; part < kNumStepParts; ++part)
    if (part != kBubblePart || f.schedule.stages > 1)
      text += fmt::format("  {:<13} {:9.3f} ms {:5.1f}%\n", kStepParts[part], f.part_seconds[part] * 1e3,
                          100 * f.part_seconds[part] / total);
  text += fmt::format("tokens/s      {:.0f}\n", rates.tokens_per_second);
  text += rate_text(f, rates);
  text += communication_text(f) + bubble_text(config, f);
  text += gradient_sums_text(config, f.gradient_sum_seconds);
  text += fmt::format("memory        {} measured peak, {} predicted\n",
                      base::format_bytes(static_cast<std::uint64_t>(f.peak_memory_bytes)),
                      base::format_bytes(f.predicted_memory_bytes));
  return text;
}

}  // namespace tessera::tools
