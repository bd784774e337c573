// SPDX-License-Identifier: Apache-2.0
#include "train/run_record.hpp"

#include <fmt/core.h>

#include "base/error.hpp"
#include "metrics/process_memory.hpp"
#include "train/flops.hpp"

namespace tessera::train {

void RunRecord::open(const std::string& metrics_path, std::int64_t step) {
  if (!tells_) return;
  metrics_.emplace(metrics_path);
  metrics_->resume_at(step);
}

/// A full disk costs lines, too, if checkpoint.on_failure = continue.
void RunRecord::append(const json::Json& line, std::int64_t step) {
  try {
    metrics_->append(line);
    metrics_fail_ = false;
  } catch (const base::Error& error) {
    if (config_->checkpoint.on_failure == "stop") throw;
    if (!metrics_fail_)
      progress_.line(fmt::format("warning: {}. Training goes on without lines from step {} on", error.what(), step));
    metrics_fail_ = true;
  }
}

void RunRecord::step(const StepReport& report, std::int64_t tokens, double seconds, std::int64_t samples_left) {
  if (!tells_) return;
  const auto of_step = static_cast<double>(report.tokens);
  json::Json line{json::Object{}};
  line.set("step", report.step).set("loss", report.loss).set("lr", report.lr).set("grad_norm", report.grad_norm);
  line.set("tokens", tokens).set("seconds", seconds).set("tokens_per_second", of_step / seconds);
  line.set("peak_memory_bytes", metrics::peak_memory_bytes());
  if (report.skipped) line.set("skipped", true);
  append(line, report.step);
  const bool last = report.step == config_->run.steps;
  if (report.step % config_->run.log_interval != 0 && !last && !report.skipped) return;
  const double tokens_left = static_cast<double>(samples_left) * static_cast<double>(config_->model.context);
  progress_.step({report.step, config_->run.steps, report.loss, of_step / seconds,
                  of_step / seconds * flops_per_token(config_->model).causal / 1e9, seconds / of_step * tokens_left});
}

void RunRecord::evaluation(const std::vector<Validation::Line>& lines, std::int64_t step) {
  if (!tells_) return;
  for (const Validation::Line& line : lines) {
    append(line.metrics, step);
    progress_.line(line.text);
  }
}

}  // namespace tessera::train
