// SPDX-License-Identifier: Apache-2.0
#include "train/train_step.hpp"

#include <array>
#include <cmath>
#include <fmt/core.h>

#include "base/error.hpp"
#include "optim/clipping.hpp"
#include "optim/schedule.hpp"

namespace tessera::train {
namespace {

/// Loss and stop requests of all ranks in one message, so that every rank reaches the same verdict.
void agree(Replica& replica, double my_loss, bool my_stop, StepReport& report, int& nonfinite_rank) {
  const comm::Communicator& ranks = replica.mesh().all();
  const std::array<double, 2> mine{my_loss, my_stop ? 1.0 : 0.0};
  std::vector<double> all(2 * static_cast<std::size_t>(ranks.size()));
  ranks.all_gather<double>(mine, all, "loss of the step");
  nonfinite_rank = -1;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    const double loss = all[2 * static_cast<std::size_t>(rank)];
    if (!std::isfinite(loss) && nonfinite_rank < 0) nonfinite_rank = rank;
    report.loss += loss;
    const bool asked = all[2 * static_cast<std::size_t>(rank) + 1] > 0;
    if (asked && report.asked_rank < 0) report.asked_rank = rank;
  }
}

/// One verdict for all ranks, before the update. True: skip the update.
bool reject_nonfinite(const Replica& replica, const StepReport& report, int nonfinite_rank) {
  if (std::isfinite(report.loss) && std::isfinite(report.grad_norm)) return false;
  if (replica.config().optim.on_nonfinite == "skip") return true;
  const std::string where = nonfinite_rank >= 0 ? fmt::format("the loss of rank {}", nonfinite_rank)
                                                : std::string("the gradient of all ranks");
  throw base::SharedError(
      fmt::format(
          "step {}: {} is not finite (loss {}, gradient norm {}). Nothing was updated. Lower optim.lr, lengthen "
          "optim.warmup, or set optim.on_nonfinite = skip",
          report.step, where, report.loss, report.grad_norm),
      base::ExitCode::diverged);
}

}  // namespace

StepReport train_step(Replica& replica, std::int64_t step, std::int64_t& updates,
                      const std::function<bool()>& stop_requested) {
  const config::Config& config = replica.config();
  tensor::Device& device = replica.device();
  const double loss = replica.compute_gradients(step - 1);

  StepReport report;
  report.step = step;
  report.tokens = replica.batches().num_targets(step - 1);
  int nonfinite_rank = -1;
  agree(replica, loss / static_cast<double>(report.tokens), stop_requested(), report, nonfinite_rank);
  report.grad_norm = replica.gradient_norm();
  report.lr = optim::learning_rate(config.optim, config.run.steps, step);
  report.skipped = reject_nonfinite(replica, report, nonfinite_rank);
  if (report.skipped) return report;
  const base::TraceScope scope(replica.trace(), "optimizer and gather", "phase");
  optim::clip_by_value(device, config.optim, replica.optimizer().tiles());
  const double norm = config.optim.clip_value > 0 ? replica.gradient_norm() : report.grad_norm;
  replica.optimizer().step(device, ++updates, report.lr, optim::norm_factor(config.optim, norm));
  replica.sync().gather_weights();
  return report;
}

}  // namespace tessera::train
