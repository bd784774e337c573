// SPDX-License-Identifier: Apache-2.0
#include "train/lead_timer.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace tessera::train {

LeadTimer::LeadTimer(LeadTimerSettings settings) : settings_(std::move(settings)) {
  const std::optional<LeadTime> last = read_lead_time(settings_.run_dir);
  if (!last) return;
  last_evaluation_seconds_ = last->evaluation_seconds;
  warn(*last);
}

void LeadTimer::step(double seconds) {
  ++num_steps_;
  step_seconds_ = num_steps_ <= 2 ? seconds : std::max(step_seconds_, seconds);
}

void LeadTimer::evaluation(double seconds) {
  evaluation_seconds_ = std::max(evaluation_seconds_, seconds);
}

void LeadTimer::save(double seconds) {
  save_seconds_ = std::max(save_seconds_, seconds);
  if (!lead().is_known()) return;
  keep();
  if (told_.empty() && !finish_began_) tell();
  warn(lead());
}

void LeadTimer::finish_begins() {
  finish_began_ = base::Clock::now();
}

void LeadTimer::finish_ended() {
  const double seconds = base::seconds_since(finish_began_.value());
  const LeadTime now = lead();
  save_seconds_ += std::max(0.0, seconds - now.in_flight_seconds - now.save_seconds);
  if (!lead().is_known()) return;
  keep();
  tell();
  warn(lead());
}

/// A save beside training began with the step in whose middle the signal comes, or before: what it takes longer than
/// that step is left then. One that is throttled may not have got anywhere.
LeadTime LeadTimer::lead() const {
  double in_flight = 0;
  if (settings_.saves_beside)
    in_flight = settings_.throttled ? save_seconds_ : std::max(0.0, save_seconds_ - step_seconds_);
  const double evaluation = evaluation_seconds_ > 0 ? evaluation_seconds_ : last_evaluation_seconds_;
  return {step_seconds_, evaluation, in_flight, save_seconds_};
}

void LeadTimer::keep() {
  const LeadTime now = lead();
  if (now == kept_) return;
  kept_ = now;
  write_lead_time(settings_.run_dir, now);  // if it cannot, saves will tell
}

void LeadTimer::tell() {
  const LeadTime now = lead();
  std::string text = fmt::format("{}; signal at least {} s before the end", now.describe(), now.needed_seconds());
  if (text == told_) return;
  settings_.say(text);
  told_ = std::move(text);
}

void LeadTimer::warn(const LeadTime& lead) {
  if (warned_) return;
  for (const std::string& warning : warnings(lead, settings_.limits)) {
    settings_.warn(warning);
    warned_ = true;
  }
}

}  // namespace tessera::train
