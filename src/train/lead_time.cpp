// SPDX-License-Identifier: Apache-2.0
#include "train/lead_time.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <iterator>
#include <system_error>

#include "base/error.hpp"
#include "json/json.hpp"

namespace tessera::train {

namespace fs = std::filesystem;

namespace {

constexpr double kMargin = 1.5;

std::string path_of(const std::string& run_dir) {
  return run_dir + "/log/lead.json";
}

std::string shown(double seconds) {
  return fmt::format(fmt::runtime(seconds < 1 ? "{:.2f}" : "{:.1f}"), seconds);
}

std::string to_text(const LeadTime& lead) {
  json::Json object{json::Object{}};
  object.set("step_seconds", lead.step_seconds).set("evaluation_seconds", lead.evaluation_seconds);
  object.set("in_flight_seconds", lead.in_flight_seconds).set("save_seconds", lead.save_seconds);
  object.set("total_seconds", lead.total_seconds()).set("needed_seconds", lead.needed_seconds());
  return object.dump() + "\n";
}

}  // namespace

double LeadTime::total_seconds() const {
  return std::max(step_seconds, evaluation_seconds) + in_flight_seconds + save_seconds;
}

int LeadTime::needed_seconds() const {
  constexpr double most = 1e9;
  return std::max(1, static_cast<int>(std::ceil(std::min(most, kMargin * total_seconds()))));
}

std::string LeadTime::describe() const {
  std::string text = fmt::format("a stop takes up to {} s: ", shown(total_seconds()));
  text += evaluation_seconds > step_seconds ? "evaluation " + shown(evaluation_seconds) : "step " + shown(step_seconds);
  if (in_flight_seconds > 0) text += ", save in flight " + shown(in_flight_seconds);
  return text + ", save " + shown(save_seconds);
}

std::vector<std::string> warnings(const LeadTime& lead, const StopLimits& limits) {
  std::vector<std::string> list;
  if (!lead.is_known()) return list;
  const int needed = lead.needed_seconds();
  if (limits.signal_lead_seconds && *limits.signal_lead_seconds < needed)
    list.push_back(fmt::format(
        "the signal comes {:g} s before the end of the wall time, but {}: the job may be killed before its checkpoint "
        "is saved. Submit it with --signal=B:USR1@{}, or export SBATCH_SIGNAL=B:USR1@{}",
        *limits.signal_lead_seconds, lead.describe(), needed, needed));
  if (limits.kill_wait_seconds && *limits.kill_wait_seconds < needed)
    list.push_back(fmt::format(
        "a plain scancel or a preemption leaves only {:g} s (KillWait), but {}, and should have {} s: what was "
        "computed "
        "since the last checkpoint may be lost. Stop the job with scancel --batch --signal=USR1, and shorten "
        "checkpoint.interval if it may be preempted",
        *limits.kill_wait_seconds, lead.describe(), needed));
  return list;
}

std::optional<LeadTime> read_lead_time(const std::string& run_dir) {
  std::ifstream file(path_of(run_dir), std::ios::binary);
  if (!file) return {};
  try {
    const json::Json object = json::parse(std::string(std::istreambuf_iterator<char>(file), {}), path_of(run_dir));
    const auto seconds = [&](const char* key) { return std::max(0.0, object.at(key).as_double()); };
    return LeadTime{seconds("step_seconds"), seconds("evaluation_seconds"), seconds("in_flight_seconds"),
                    seconds("save_seconds")};
  } catch (const base::Error&) {
    return {};
  }
}

/// Without flushes, which training would wait for: it is only advice, and half a file is known for what it is.
bool write_lead_time(const std::string& run_dir, const LeadTime& lead) {
  const std::string path = path_of(run_dir), temporary = path + ".tmp";
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  std::ofstream file(temporary, std::ios::binary);
  file << to_text(lead);
  file.close();
  if (!file) return false;
  fs::rename(temporary, path, error);
  return !error;
}

}  // namespace tessera::train
