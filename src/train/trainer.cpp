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
#include <utility>

#include "base/stopwatch.hpp"
#include "checkpoint/saver.hpp"
#include "comm/heartbeat.hpp"
#include "comm/together.hpp"
#include "config/print.hpp"
#include "train/init_from.hpp"
#include "train/lead_timer.hpp"
#include "train/run_folder.hpp"
#include "train/run_record.hpp"
#include "train/start_record.hpp"
#include "train/step_trace.hpp"
#include "train/stop_agreement.hpp"
#include "train/train_step.hpp"
#include "train/validation.hpp"

namespace tessera::train {
namespace {

using base::Clock;
using base::seconds_since;

/// One start of a run: from its newest checkpoint to run.steps, run.stop_after or a request to stop.
class Run {
 public:
  Run(const comm::Mesh& mesh, tensor::Device& device, const config::Config& config, const RunData& data,
      const TrainHooks& hooks, StartRecord& this_start)
      : mesh_(mesh),
        ranks_(mesh.all()),
        config_(config),
        data_(data),
        hooks_(hooks),
        folder_(mesh.all(), config),
        this_start_(this_start.begin()),
        heartbeat_(mesh.all(), config.run.dir + "/heartbeat"),
        replica_(mesh, device, config, data.mixture),
        saver_(mesh.all(), mesh.tensor(), replica_.tiles(), save_settings()),
        stop_(mesh.all(), hooks.stop_requested),
        record_(config, mesh.all().rank() == 0, hooks.quiet),
        trace_(replica_, [this](const std::string& line) { record_.line(line); }) {}

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
  LeadTimerSettings lead_settings() {
    return {config_.run.dir,
            save_settings().async,
            config_.checkpoint.write_rate > 0,
            hooks_.limits,
            [this](const std::string& text) { record_.line(text); },
            [](const std::string& text) { fmt::print(stderr, "warning: {}\n", text); }};
  }
  void start();
  void take_step(std::int64_t step);
  void agree_to_stop();
  void tell_of_stop();
  void evaluate_now();
  bool evaluate_if_due();
  bool save_if_due();
  void train_until(std::int64_t last);
  bool is_stopped(std::int64_t last) const;
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
  StartRecord& this_start_;
  comm::Heartbeat heartbeat_;
  Replica replica_;
  checkpoint::Saver saver_;
  StopAgreement stop_;
  std::optional<LeadTimer> lead_;  // rank 0
  std::optional<Validation> validation_;
  checkpoint::RunState state_;
  RunRecord record_;
  StepTrace trace_;
  std::int64_t saved_step_ = -1;  // of the newest checkpoint that has its name
  bool evaluation_left_ = false;  // one is due that was not done
};

void Run::start() {
  const auto say = [&](const std::string& text) { record_.line(text); };
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
    validation_.emplace(replica_, data_);
    if (ranks_.rank() != 0) return;
    state_.data = data_.describe();
    record_.open(folder_.metrics_path(), state_.step);
  });
  const bool evaluated = ranks_.rank() != 0 || record_.has_evaluation();
  evaluation_left_ = ranks_.max(evaluated ? 0 : 1, "evaluation that was left") > 0 && validation_->is_due(state_.step);
  if (ranks_.rank() == 0) lead_.emplace(lead_settings());
  this_start_.trains(state_.step, replica_);
}

/// Collective. For use where something took long since the last step told of requests.
void Run::agree_to_stop() {
  if (!stop_.is_agreed() && stop_.ask()) tell_of_stop();
}

/// Collective, once it is agreed. Rank 0 has told already if it was asked itself (tools/stop_request.hpp).
void Run::tell_of_stop() {
  const int rank = stop_.asked_rank();
  if (rank == 0) return;
  const std::string host = ranks_.broadcast_text(ranks_.host(), rank, "host that was asked to stop");
  record_.line(fmt::format("stop requested of rank {} on {}: saving after this step", rank, host));
}

/// Unless a request to stop comes first: then it is left.
void Run::evaluate_now() {
  evaluation_left_ = true;
  const base::TraceScope scope(trace_.get(), "evaluation", "phase");
  Clock::time_point before = Clock::now();
  const auto stretch = [&] {
    if (lead_) lead_->evaluation(seconds_since(std::exchange(before, Clock::now())));
  };
  const auto lines = validation_->evaluate(state_.step, [&] {
    stretch();
    agree_to_stop();
    return stop_.is_agreed();
  });
  stretch();
  if (!lines) return;
  evaluation_left_ = false;
  record_.evaluation(*lines, state_.step);
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

/// Collective, as all ranks see a save published at the same time.
void Run::note(const std::optional<checkpoint::Saved>& saved) {
  if (!saved) return;
  saved_step_ = saved->step;
  const double work_seconds = ranks_.max(saved->work_seconds, "time of the save");
  record_.line(fmt::format("step {}: checkpoint '{}' ({:.2f} s, of which training waited {:.2f} s)", saved->step,
                           saved->path, saved->seconds, saved->stalled_seconds));
  if (lead_) lead_->save(work_seconds);
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
    record_.line(fmt::format("warning: {}. Training goes on (checkpoint.on_failure = continue)", error.what()));
  }
}

/// At the end the last step must be saved, whatever was forgiven before.
void Run::finish_saves() {
  if (lead_) lead_->finish_begins();
  saving([&] { note(saver_.finish()); });
  if (saved_step_ != state_.step) {
    folder_.require_held();
    begin_save();
    note(saver_.finish());
  }
  if (lead_) lead_->finish_ended();
}

/// What ends a run on all ranks alike takes no sound checkpoint along.
void Run::finish_save_in_flight() {
  try {
    note(saver_.finish());
  } catch (const base::SharedError& error) {
    record_.line(fmt::format("warning: {}", error.what()));
  }
}

void Run::take_step(std::int64_t step) {
  heartbeat_.set_step(step);
  const base::TraceScope scope(trace_.get(), fmt::format("step {}", step), "step");
  const Clock::time_point before = Clock::now();
  const StepReport report = train_step(replica_, step, state_.updates, hooks_.stop_requested);
  stop_.note(report.asked_rank);
  if (stop_.is_agreed()) tell_of_stop();
  state_.step = report.step;
  state_.tokens += report.tokens;
  this_start_.step_done(state_.step);
  if (report.skipped && ++state_.skips > config_.optim.max_skips)
    throw base::SharedError(
        fmt::format("step {}: {} steps were skipped as not finite, optim.max_skips = {} allows no more", report.step,
                    state_.skips, config_.optim.max_skips),
        base::ExitCode::diverged);
  const optim::BatchSchedule& batches = replica_.batches().schedule();
  record_.step(report, state_.tokens, seconds_since(before),
               batches.first_sample(config_.run.steps) - batches.first_sample(report.step));
  if (lead_) lead_->step(seconds_since(before));
}

/// Both: true if they took time in which a request to stop may have come.
bool Run::evaluate_if_due() {
  if (!validation_->is_due(state_.step)) return false;
  evaluation_left_ = true;
  if (!stop_.is_agreed()) evaluate_now();
  return true;
}

bool Run::save_if_due() {
  saving([&] { note(saver_.poll()); });
  if (config_.checkpoint.interval == 0 || state_.step % config_.checkpoint.interval != 0) return false;
  saving([&] { note(saver_.finish()); });
  folder_.require_held();  // what nothing forgives
  saving([&] { begin_save(); });
  if (!config_.checkpoint.async) saving([&] { note(saver_.finish()); });
  return true;
}

/// Until then, or until all ranks agree to stop. What an interrupted start left is done first.
void Run::train_until(std::int64_t last) {
  agree_to_stop();
  if (evaluation_left_ && !stop_.is_agreed()) {
    evaluate_now();
    agree_to_stop();
  }
  while (state_.step < last && !stop_.is_agreed()) {
    take_step(state_.step + 1);
    const bool evaluated = evaluate_if_due(), saved = save_if_due();
    trace_.step_done(state_.step);
    if (evaluated || saved) agree_to_stop();
  }
}

/// Whether a request to stop left something to the next start: steps, or the evaluation of the last one.
bool Run::is_stopped(std::int64_t last) const {
  const bool steps_left = state_.step < last, only_evaluation_left = state_.step == config_.run.steps;
  return stop_.is_agreed() && (steps_left || (only_evaluation_left && evaluation_left_));
}

base::ExitCode Run::go() {
  start();
  const std::int64_t last = config_.run.stop_after > 0
                                ? std::min(config_.run.steps, state_.step + config_.run.stop_after)
                                : config_.run.steps;
  if (state_.step >= config_.run.steps)
    record_.line(fmt::format("run.steps = {} are done: nothing to train", config_.run.steps));
  try {
    train_until(last);
  } catch (const base::SharedError&) {
    finish_save_in_flight();
    throw;
  }
  finish_saves();
  trace_.finish();
  record_.finish();
  return is_stopped(last) ? base::ExitCode::stopped : base::ExitCode::done;
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
  StartRecord this_start(mesh.all(), resolved, hooks.version);
  return this_start.tell_end([&] { return Run(mesh, device, resolved, *data, hooks, this_start).go(); });
}

}  // namespace tessera::train
