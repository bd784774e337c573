// SPDX-License-Identifier: Apache-2.0
#include "metrics/start_log.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/core.h>
#include <system_error>
#include <tuple>

#include "base/error.hpp"
#include "json/json.hpp"
#include "metrics/lines.hpp"

namespace tessera::metrics {
namespace {

namespace fs = std::filesystem;
using json::Json;

constexpr const char* kStarts = "/starts.jsonl";
constexpr std::int64_t kMostBytes = 16 << 20;  // of a record that is read: a start takes half a kilobyte

void set_number(Json& object, const char* key, const std::optional<std::int64_t>& value) {
  if (value) object.set(key, *value);
}

void set_text(Json& object, const char* key, const std::string& value) {
  if (!value.empty()) object.set(key, value);
}

std::string text_of(const Json& object, const char* key) {
  const Json* value = object.find(key);
  return value && value->is_string() ? value->as_string() : "";
}

std::optional<std::int64_t> number_of(const Json& object, const char* key) {
  const Json* value = object.find(key);
  return value && value->is_int() ? std::optional(value->as_int()) : std::nullopt;
}

std::optional<double> real_of(const Json& object, const char* key) {
  const Json* value = object.find(key);
  return value && value->is_number() ? std::optional(value->as_double()) : std::nullopt;
}

/// The lines of a record that are objects with a number of a start.
std::vector<Json> read_objects(const std::string& path) {
  std::vector<Json> objects;
  for (const std::string& line : last_lines(path, kMostBytes)) {
    try {
      Json object = json::parse(line, path);
      if (object.is_object() && number_of(object, "start")) objects.push_back(std::move(object));
    } catch (const base::Error&) {  // damaged
    }
  }
  return objects;
}

StartBegin to_begin(const Json& object) {
  StartBegin begin;
  begin.time_seconds = real_of(object, "time").value_or(0);
  begin.host = text_of(object, "host");
  begin.pid = number_of(object, "pid").value_or(0);
  begin.ranks = static_cast<int>(number_of(object, "ranks").value_or(1));
  begin.nodes = static_cast<int>(number_of(object, "nodes").value_or(1));
  begin.job = text_of(object, "job");
  begin.array_job = text_of(object, "array_job");
  begin.array_task = text_of(object, "array_task");
  begin.restart = number_of(object, "restart");
  begin.max_restarts = number_of(object, "max_restarts");
  begin.lead_seconds = number_of(object, "lead_seconds");
  begin.steps = number_of(object, "steps").value_or(0);
  begin.layout = text_of(object, "layout");
  begin.version = text_of(object, "version");
  begin.gflop_per_token = real_of(object, "gflop_per_token").value_or(0);
  return begin;
}

StartEnd to_end(const Json& object) {
  return {real_of(object, "time").value_or(0), static_cast<int>(number_of(object, "exit_code").value_or(1)),
          number_of(object, "step").value_or(0), text_of(object, "error")};
}

RankError to_rank_error(const Json& object) {
  const StartEnd end = to_end(object);
  return {object.at("start").as_int(),
          end.time_seconds,
          static_cast<int>(number_of(object, "rank").value_or(0)),
          text_of(object, "host"),
          number_of(object, "pid").value_or(0),
          end.exit_code,
          end.step,
          end.error};
}

/// The time is that of the file system at which the file got its last line; that of others is not known.
struct ReceivedError {
  fs::file_time_type time;
  RankError error;
};

void read_errors_of_rank(const std::string& path, std::vector<ReceivedError>& errors) {
  const std::vector<Json> lines = read_objects(path);
  for (const Json& line : lines) errors.push_back({fs::file_time_type::min(), to_rank_error(line)});
  std::error_code unknown;  // the time is the earliest there is then
  if (!lines.empty()) errors.back().time = fs::last_write_time(path, unknown);
}

Json event(std::int64_t number, const char* name, double time_seconds) {
  Json object{json::Object{}};
  object.set("start", number).set("event", name).set("time", time_seconds);
  return object;
}

}  // namespace

std::string StartLog::begin(const StartBegin& begin, std::int64_t& number) const {
  number = 1;
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return fmt::format("cannot create folder '{}': {}", folder_, error.message());
  for (const Json& line : read_objects(folder_ + kStarts)) number = std::max(number, line.at("start").as_int() + 1);
  Json object = event(number, "begin", begin.time_seconds);
  object.set("host", begin.host).set("pid", begin.pid).set("ranks", begin.ranks).set("nodes", begin.nodes);
  set_text(object, "job", begin.job);
  set_text(object, "array_job", begin.array_job);
  set_text(object, "array_task", begin.array_task);
  set_number(object, "restart", begin.restart);
  set_number(object, "max_restarts", begin.max_restarts);
  set_number(object, "lead_seconds", begin.lead_seconds);
  object.set("steps", begin.steps).set("layout", begin.layout).set("version", begin.version);
  return append_line(folder_ + kStarts, object.set("gflop_per_token", begin.gflop_per_token));
}

std::string StartLog::trains(std::int64_t number, std::int64_t from_step,
                             const std::optional<double>& matrix_gflops) const {
  Json object = event(number, "trains", wall_seconds());
  object.set("from_step", from_step);
  if (matrix_gflops) object.set("matrix_gflops", *matrix_gflops);
  return append_line(folder_ + kStarts, object);
}

std::string StartLog::end(std::int64_t number, const StartEnd& end) const {
  Json object = event(number, "end", end.time_seconds);
  object.set("exit_code", end.exit_code).set("step", end.step);
  set_text(object, "error", end.error);
  return append_line(folder_ + kStarts, object);
}

std::string StartLog::rank_error(const RankError& error) const {
  Json object = event(error.start, "error", error.time_seconds);
  object.set("rank", error.rank).set("host", error.host).set("pid", error.pid);
  object.set("exit_code", error.exit_code).set("step", error.step).set("error", error.error);
  // Of its own, as hosts that add to one file over NFS at the same time overwrite each other's lines.
  return append_line(fmt::format("{}/errors-{}.jsonl", folder_, error.rank), object);
}

std::vector<Start> read_starts(const std::string& run_dir) {
  std::vector<Start> starts;
  for (const Json& line : read_objects(run_dir + "/log" + kStarts)) {
    const std::int64_t number = line.at("start").as_int();
    const std::string name = text_of(line, "event");
    if (name == "begin") {
      starts.emplace_back().number = number;
      starts.back().begin = to_begin(line);
      continue;
    }
    const auto start = std::find_if(starts.rbegin(), starts.rend(), [&](const Start& s) { return s.number == number; });
    if (start == starts.rend()) continue;  // its beginning is damaged
    if (name == "trains") {
      start->from_step = number_of(line, "from_step");
      start->matrix_gflops = real_of(line, "matrix_gflops");
    }
    if (name == "end") start->end = to_end(line);
  }
  return starts;
}

std::vector<RankError> read_rank_errors(const std::string& run_dir) {
  std::vector<ReceivedError> received;
  std::error_code error;
  for (fs::directory_iterator entry(run_dir + "/log", error), none; !error && entry != none; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("errors-") && name.ends_with(".jsonl")) read_errors_of_rank(entry->path(), received);
  }
  std::sort(received.begin(), received.end(), [](const ReceivedError& a, const ReceivedError& b) {
    return std::tie(a.error.start, a.time, a.error.time_seconds) <
           std::tie(b.error.start, b.time, b.error.time_seconds);
  });
  std::vector<RankError> errors;
  for (ReceivedError& one : received) errors.push_back(std::move(one.error));
  return errors;
}

}  // namespace tessera::metrics
