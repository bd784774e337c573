// SPDX-License-Identifier: Apache-2.0
#include "jobs/job_files.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <system_error>

#include "base/error.hpp"
#include "json/json.hpp"
#include "metrics/lines.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostBytes = 4 << 20;  // of a file of short lines that is read

std::string submissions_path(const std::string& run_dir) {
  return run_dir + "/log/submits.jsonl";
}

/// ID of "job-ID.history"; "" of other names.
std::string job_of(const std::string& name) {
  const std::string before = "job-", after = ".history";
  if (!name.starts_with(before) || !name.ends_with(after) || name.size() <= before.size() + after.size()) return "";
  return name.substr(before.size(), name.size() - before.size() - after.size());
}

}  // namespace

bool is_crash(int code) {
  return code != 0 && code != 2 && code != 3 && code != 85;
}

JobHistory parse_history(const std::string& job, const std::string& text) {
  std::map<std::int64_t, std::optional<int>> starts;  // and how they ended
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::int64_t number = 0, value = 0;
    std::string word;
    if (!(words >> number >> word >> value)) continue;
    if (word == "from") starts[number];
    if (word == "ended") starts[number] = static_cast<int>(value);
  }
  JobHistory history;
  history.job = job;
  history.num_starts = static_cast<std::int64_t>(starts.size());
  if (starts.empty()) return history;
  const std::int64_t last = starts.rbegin()->first;
  for (const auto& [number, code] : starts)
    if (code ? is_crash(*code) : number != last) ++history.num_crashes;
  history.last_code = starts.rbegin()->second;
  history.last_number = last;
  return history;
}

std::optional<JobHistory> newest_history(const std::string& run_dir) {
  fs::path newest;
  fs::file_time_type newest_time;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(run_dir + "/log", error)) {
    const fs::file_time_type time = entry.last_write_time(error);
    if (error || job_of(entry.path().filename().string()).empty() || (!newest.empty() && time < newest_time)) continue;
    newest = entry.path();
    newest_time = time;
  }
  if (newest.empty()) return {};
  std::ifstream file(newest, std::ios::binary);
  return parse_history(job_of(newest.filename().string()), {std::istreambuf_iterator<char>(file), {}});
}

void record_submission(const std::string& run_dir, const Submission& submission) {
  json::Json line{json::Object{}};
  line.set("time", submission.time_seconds).set("job", submission.job);
  line.set("script", submission.script).set("output", submission.output);
  const std::string problem = metrics::append_line(submissions_path(run_dir), line);
  if (!problem.empty()) base::fail("{}", problem);
}

std::vector<Submission> read_submissions(const std::string& run_dir) {
  std::vector<Submission> submissions;
  const std::string path = submissions_path(run_dir);
  for (const std::string& line : metrics::last_lines(path, kMostBytes)) {
    try {
      const json::Json object = json::parse(line, path);
      const std::string job = object.at("job").as_string();
      if (job.empty() || job.find_first_not_of("0123456789") != std::string::npos) continue;  // squeue would refuse all
      submissions.push_back({object.at("time").as_double(), object.at("job").as_string(),
                             object.at("script").as_string(), object.at("output").as_string()});
    } catch (const base::Error&) {  // damaged
    }
  }
  return submissions;
}

}  // namespace tessera::jobs
