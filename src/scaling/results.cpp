// SPDX-License-Identifier: Apache-2.0
#include "scaling/results.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <fstream>
#include <iterator>

#include "base/error.hpp"
#include "base/posix_file.hpp"

namespace tessera::scaling {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;

std::optional<json::Json> read_json(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return {};
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return json::parse(text, path);
}

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) base::fail_system("folder '{}' cannot be made: {}", path, error.message());
}

void write_json(const std::string& path, const json::Json& object) {
  make_folder(fs::path(path).parent_path().string());
  base::replace_file(path, object.dump(1) + "\n");
}

void remove_file(const std::string& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) base::fail_system("'{}' cannot be removed: {}", path, error.message());
}

/// Whether a study has results, or jobs that will make some.
bool has_begun(const std::string& folder) {
  std::error_code absent;
  for (const fs::directory_entry& file : fs::recursive_directory_iterator(folder + "/points", absent))
    if (file.path().extension() == ".json") return true;
  return false;
}

}  // namespace

Result read_bench(const json::Json& object) {
  Result result;
  result.tokens_per_second = object.at("tokens_per_second").as_double();
  // The mean step, as waits are means, too: a median would not fit them.
  double step = 0;
  for (const auto& [part, seconds] : object.at("seconds_by_part").as_object()) step += seconds.as_double();
  const json::Json& axes = object.at("communication_by_axis");
  const double waited =
      axes.at("data").at("waited_seconds").as_double() + axes.at("tensor").at("waited_seconds").as_double();
  result.communication_share = step > 0 ? std::min(1.0, waited / step) : 0;
  // One stage has no bubble, only moments between its actions.
  if (object.at("bubble_formula").as_double() > 0) result.bubble = object.at("bubble_fraction").as_double();
  result.memory_bytes = object.at("peak_memory_bytes").as_int();
  result.cores = object.at("cores").as_int();
  result.busy_cores = object.at("busy_cores").as_int();
  for (const json::Json& host : object.at("hosts").as_array()) result.hosts.push_back(host.at("host").as_string());
  result.cpu = object.at("cpu").as_string();
  result.micro_batch = object.at("micro_batch").as_int();
  return result;
}

std::optional<Question> Folder::question() const {
  const std::string file = path_ + "/study.json";
  const std::optional<json::Json> object = read_json(file);
  if (!object) return {};
  if (object->at("format").as_int() != kFormat)
    base::fail_usage("'{}' is of format {}, this version of tessera reads {}", file, object->at("format").as_int(),
                     kFormat);
  return question_from_json(object->at("question"), file);
}

void Folder::keep_question(const Question& question) const {
  if (const std::optional<Question> before = this->question()) {
    const std::vector<std::string> lines = differences(question, *before);
    if (lines.empty()) return;
    if (has_begun(path_))
      base::fail_usage(
          "'{}' holds another study:\n  {}\nname another folder with --output, or continue that one with "
          "`tessera scale run --output {}` alone",
          path_, fmt::join(lines, "\n  "), path_);
  }
  json::Json object{json::Object{}};
  object.set("format", kFormat).set("question", to_json(question));
  write_json(path_ + "/study.json", object);
}

std::string Folder::result_path(const Point& point, std::int64_t repeat) const {
  return fmt::format("{}/{}.json", point_folder(point), repeat);
}

std::optional<Result> Folder::result(const Point& point, std::int64_t repeat) const {
  const std::string path = result_path(point, repeat);
  try {
    const std::optional<json::Json> object = read_json(path);
    if (!object) return {};
    if (const json::Json& failure = object->at("failure"); !failure.is_null()) {
      Result failed;
      failed.failure = failure.as_string();
      return failed;
    }
    return read_bench(object->at("bench"));
  } catch (const base::Error& error) {
    base::fail("'{}' is no result of a run ({}): remove it, and the run is made again", path, error.what());
  }
}

void Folder::keep_result(const Point& point, std::int64_t repeat, const RunEnd& end) const {
  json::Json object{json::Object{}};
  object.set("point", point.name).set("repeat", repeat).set("command", end.command).set("exit_code", end.exit_code);
  object.set("seconds", end.seconds);
  object.set("failure", end.failure.empty() ? json::Json() : json::Json(end.failure));
  if (end.failure.empty()) object.set("bench", json::parse(end.output, "output of bench"));
  write_json(result_path(point, repeat), object);
}

void Folder::keep_loss(const Point& point, const std::string& job, const std::string& failure) const {
  json::Json object{json::Object{}};
  write_json(loss_path(point), object.set("job", job).set("failure", failure));
}

std::optional<std::string> Folder::loss(const Point& point) const {
  const std::optional<json::Json> object = read_json(loss_path(point));
  if (!object || object->at("job").as_string() != job(point)) return {};
  return object->at("failure").as_string();
}

void Folder::look_anew(const Point& point) const {
  std::error_code absent;
  for (fs::directory_iterator file(point_folder(point), absent), end; file != end; file.increment(absent)) {
  }
}

void Folder::forget_failures(const Point& point, std::int64_t repeats) const {
  for (std::int64_t repeat = 1; repeat <= repeats; ++repeat)
    if (const std::optional<Result> found = result(point, repeat); found && !found->failure.empty())
      remove_file(result_path(point, repeat));
  remove_file(loss_path(point));
}

std::string Folder::job(const Point& point) const {
  const std::optional<json::Json> object = read_json(point_folder(point) + "/job.json");
  return object ? object->at("id").as_string() : "";
}

void Folder::keep_job(const Point& point, const std::string& id) const {
  json::Json object{json::Object{}};
  write_json(point_folder(point) + "/job.json", object.set("id", id));
}

}  // namespace tessera::scaling
