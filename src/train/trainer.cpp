// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/core.h>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/stopwatch.hpp"
#include "checkpoint/saver.hpp"
#include "comm/heartbeat.hpp"
#include "comm/together.hpp"
#include "config/print.hpp"
#include "json/json.hpp"
#include "metrics/metrics_file.hpp"
#include "metrics/process_memory.hpp"
#include "metrics/progress.hpp"
#include "train/evaluate.hpp"
#include "train/flops.hpp"
#include "train/init_from.hpp"
#include "train/run_folder.hpp"
#include "train/start_record.hpp"
#include "train/step_trace.hpp"
#include "train/train_step.hpp"

namespace tessera::train {
namespace {

using base::Clock;
using base::seconds_since;

/// One start of a run: from its newest checkpoint to run.steps, run.stop_after or a request to stop.
class Run {
 public:
  Run(const comm::Mesh& mesh, tensor::Device& device, const config::Config& config, const RunData& data,
      const TrainHooks& hooks, StartRecord& record)
      : mesh_(mesh),
        ranks_(mesh.all()),
        config_(config),
        data_(data),
        hooks_(hooks),
        folder_(mesh.all(), config),
        record_(record.begin()),
        heartbeat_(mesh.all(), config.run.dir + "/heartbeat"),
        replica_(mesh, device, config, data.mixture),
        saver_(mesh.all(), mesh.tensor(), replica_.tiles(), save_settings()),
        progress_(mesh.all().rank() != 0 || hooks.quiet),
        trace_(replica_, [this](const std::string& line) { progress_.line(line); }) {}

  base::ExitCode go();

 private:
  checkpoint::SaveSettings save_settings() const {
    const config::CheckpointConfig& checkpoint = config_.checkpoint;
    return {folder_.checkpoints_dir(),
            {checkpoint.keep, checkpoint.keep_every},
            checkpoint.async && checkpoint.interval > 0,
            checkpoint.write_rate,
            [this] { folder_.require_held_here(); }};
  }
  void start();
  StepReport take_step(std::int64_t step);
  void append_metrics(const json::Json& line);
  void record(const StepReport& report, double seconds);
  void evaluate_now(std::int64_t step);
  bool train_until(std::int64_t last);
  void require_finite_weights();
  void begin_save();
  void note(const std::optional<checkpoint::Saved>& saved);
  void saving(const std::function<void()>& action);
  void finish_saves();
  void finish_save_in_flight();

  const comm::Mesh& mesh_;
  const comm::Communicator& ranks_;
  const config::Config& config_;
  const RunData& data_;
  const TrainHooks& hooks_;
  RunFolder folder_;
  StartRecord& record_;
  comm::Heartbeat heartbeat_;
  Replica replica_;
  checkpoint::Saver saver_;
  checkpoint::RunState state_;
  std::unique_ptr<metrics::MetricsFile> metrics_;  // rank 0
  bool metrics_fail_ = false;
  metrics::Progress progress_;
  StepTrace trace_;
  std::vector<std::uint64_t> valid_text_bytes_;  // of each held-out part
  text::TokenId document_end_ = -1;
  std::int64_t saved_step_ = -1;  // of the newest checkpoint that has its name
};

void Run::start() {
  const auto say = [&](const std::string& text) { progress_.line(text); };
  if (folder_.resume(replica_, data_, state_, say))
    saved_step_ = state_.step;
  else if (!config_.run.init_from.empty())
    initialize_from(config_.run.init_from, replica_, data_, say);
  folder_.publish_config();
  state_.config = config::to_ini(config_);
  state_.version = hooks_.version;
  state_.mesh = mesh_.shape().str();
  state_.tokenizer_fingerprint = data_.first_file().fingerprint();
  comm::together(ranks_, "metrics file", [&] {
    const std::unique_ptr<text::Tokenizer> tokenizer = data_.first_file().tokenizer();
    state_.tokenizer = tokenizer->serialize();
    document_end_ = document_end(config_.data, *tokenizer);
    for (const TokenMixture::Source& source : data_.valid.sources)
      valid_text_bytes_.push_back(target_text_bytes(source.range));
    if (ranks_.rank() != 0) return;
    state_.data = data_.describe();
    metrics_ = std::make_unique<metrics::MetricsFile>(folder_.metrics_path());
    metrics_->resume_at(state_.step);
  });
  record_.trains(state_.step, replica_);
}

/// Rank 0. A full disk costs lines, too, if checkpoint.on_failure = continue.
void Run::append_metrics(const json::Json& line) {
  try {
    metrics_->append(line);
    metrics_fail_ = false;
  } catch (const base::Error& error) {
    if (config_.checkpoint.on_failure == "stop") throw;
    if (!metrics_fail_)
      progress_.line(
          fmt::format("warning: {}. Training goes on without lines from step {} on", error.what(), state_.step));
    metrics_fail_ = true;
  }
}

void Run::record(const StepReport& report, double seconds) {
  if (ranks_.rank() != 0) return;
  const auto tokens = static_cast<double>(report.tokens);
  json::Json line{json::Object{}};
  line.set("step", report.step).set("loss", report.loss).set("lr", report.lr).set("grad_norm", report.grad_norm);
  line.set("tokens", state_.tokens).set("seconds", seconds).set("tokens_per_second", tokens / seconds);
  line.set("peak_memory_bytes", metrics::peak_memory_bytes());
  if (report.skipped) line.set("skipped", true);
  append_metrics(line);
  const bool last = report.step == config_.run.steps;
  if (report.step % config_.run.log_interval != 0 && !last && !report.skipped) return;
  const optim::BatchSchedule& batches = replica_.batches().schedule();
  const std::int64_t samples_left = batches.first_sample(config_.run.steps) - batches.first_sample(report.step);
  const double tokens_left = static_cast<double>(samples_left) * static_cast<double>(config_.model.context);
  progress_.step({report.step, config_.run.steps, report.loss, tokens / seconds,
                  tokens / seconds * flops_per_token(config_.model).causal / 1e9, seconds / tokens * tokens_left});
}

void Run::evaluate_now(std::int64_t step) {
  const base::TraceScope scope(trace_.get(), "evaluation", "phase");
  const EvaluationSettings settings{config_.model.context, config_.optim.micro_batch, document_end_,
                                    model::schedule_of(config_, mesh_.shape().pipeline, 1)};
  std::vector<Evaluation> parts;
  for (std::size_t i = 0; i < data_.valid.sources.size(); ++i)
    parts.push_back(evaluate(mesh_, replica_.runner(), replica_.stage(), data_.valid.sources[i].range, settings,
                             valid_text_bytes_[i]));
  const Evaluation whole = combine(parts, data_.valid);
  require_finite(whole, fmt::format("step {}: ", step));
  if (ranks_.rank() != 0) return;
  const auto report = [&](const std::string& of, const Evaluation& result) {
    progress_.line(fmt::format("step {}: validation loss{} {:.4f} nats a token, {}", step, of, result.loss,
                               result.describe_bits()));
  };
  for (std::size_t i = 0; parts.size() > 1 && i < parts.size(); ++i) {
    const std::string& path = data_.valid.sources[i].range.file->path();
    json::Json line{json::Object{}};
    line.set("step", step).set("valid_file", path).set("file_loss", parts[i].loss);
    append_metrics(line.set("file_bits_per_byte", parts[i].bits_per_byte));
    report(fmt::format(" of '{}'", path), parts[i]);
  }
  json::Json line{json::Object{}};
  append_metrics(line.set("step", step).set("valid_loss", whole.loss).set("bits_per_byte", whole.bits_per_byte));
  report("", whole);
}

/// Weights that are not finite never become finite again: saved as the newest checkpoint they would end every resume.
void Run::require_finite_weights() {
  comm::together(ranks_, "weights of the checkpoint", [&] {
    for (const model::Parameter& p : replica_.parameters().all()) {
      if (!p.counted) continue;
      const std::span<const float> weights = p.master.span<float>();
      if (std::all_of(weights.begin(), weights.end(), [](float weight) { return std::isfinite(weight); })) continue;
      const std::string good = saved_step_ < 0 ? "no checkpoint was saved before"
                                               : fmt::format("the checkpoint of step {} is sound", saved_step_);
      throw base::Error(
          fmt::format("step {}: the weights of {} are not finite, so they are not saved; {}. Lower optim.lr or "
                      "lengthen optim.warmup",
                      state_.step, p.spec.name, good),
          base::ExitCode::diverged);
    }
  });
}

void Run::note(const std::optional<checkpoint::Saved>& saved) {
  if (!saved) return;
  saved_step_ = saved->step;
  progress_.line(fmt::format("step {}: checkpoint '{}' ({:.2f} s, of which training waited {:.2f} s)", saved->step,
                             saved->path, saved->seconds, saved->stalled_seconds));
}

void Run::begin_save() {
  const base::TraceScope scope(trace_.get(), "checkpoint", "phase");
  require_finite_weights();
  note(saver_.begin(state_));
}

/// What checkpoint.on_failure = continue forgives.
void Run::saving(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::SharedError& error) {
    if (config_.checkpoint.on_failure == "stop" || error.code() == base::ExitCode::diverged) throw;
    progress_.line(fmt::format("warning: {}. Training goes on (checkpoint.on_failure = continue)", error.what()));
  }
}

/// At the end the last step must be saved, whatever was forgiven before.
void Run::finish_saves() {
  saving([&] { note(saver_.finish()); });
  if (saved_step_ == state_.step) return;
  folder_.require_held();
  begin_save();
  note(saver_.finish());
}

/// What ends a run on all ranks alike takes no sound checkpoint along.
void Run::finish_save_in_flight() {
  try {
    note(saver_.finish());
  } catch (const base::SharedError& error) {
    progress_.line(fmt::format("warning: {}", error.what()));
  }
}

StepReport Run::take_step(std::int64_t step) {
  heartbeat_.set_step(step);
  const base::TraceScope scope(trace_.get(), fmt::format("step {}", step), "step");
  return train_step(replica_, step, state_.updates, hooks_.stop_requested());
}

/// True if a request to stop ended it.
bool Run::train_until(std::int64_t last) {
  const auto due = [](std::int64_t interval, std::int64_t step) { return interval > 0 && step % interval == 0; };
  bool stop = false;
  while (state_.step < last && !stop) {
    const Clock::time_point before = Clock::now();
    const StepReport report = take_step(state_.step + 1);
    state_.step = report.step;
    state_.tokens += report.tokens;
    record_.step_done(state_.step);
    if (report.skipped && ++state_.skips > config_.optim.max_skips)
      throw base::SharedError(
          fmt::format("step {}: {} steps were skipped as not finite, optim.max_skips = {} allows no more", report.step,
                      state_.skips, config_.optim.max_skips),
          base::ExitCode::diverged);
    record(report, seconds_since(before));
    if (!data_.valid.sources.empty() &&
        (due(config_.run.eval_interval, state_.step) || state_.step == config_.run.steps))
      evaluate_now(state_.step);
    saving([&] { note(saver_.poll()); });
    if (due(config_.checkpoint.interval, state_.step)) {
      saving([&] { note(saver_.finish()); });
      folder_.require_held();  // what nothing forgives
      saving([&] { begin_save(); });
    }
    if (!config_.checkpoint.async) saving([&] { note(saver_.finish()); });
    trace_.step_done(state_.step);
    stop = report.stop_requested;
  }
  return stop;
}

base::ExitCode Run::go() {
  start();
  const std::int64_t last = config_.run.stop_after > 0
                                ? std::min(config_.run.steps, state_.step + config_.run.stop_after)
                                : config_.run.steps;
  if (state_.step >= config_.run.steps)
    progress_.line(fmt::format("run.steps = {} are done: nothing to train", config_.run.steps));
  bool stop = false;
  try {
    stop = train_until(last);
  } catch (const base::SharedError&) {
    finish_save_in_flight();
    throw;
  }
  finish_saves();
  trace_.finish();
  progress_.finish();
  return stop && state_.step < config_.run.steps ? base::ExitCode::stopped : base::ExitCode::done;
}

}  // namespace

base::ExitCode train(const comm::Mesh& mesh, tensor::Device& device, const config::Config& config,
                     const TrainHooks& hooks) {
  std::unique_ptr<RunData> data;
  config::Config resolved;
  comm::together(mesh.all(), "data and configuration", [&] {
    data = std::make_unique<RunData>(config.data);
    resolved = resolve(config, *data, mesh.shape().size());
  });
  hooks.begins(resolved);
  StartRecord record(mesh.all(), resolved, hooks.version);
  return record.tell_end([&] { return Run(mesh, device, resolved, *data, hooks, record).go(); });
}

}  // namespace tessera::train
