// SPDX-License-Identifier: Apache-2.0
// The folder of a study: study.json, what was asked; points/NAME/REPEAT.json, what each run of a point gave;
// points/NAME/job.json and lost.json, the Slurm job of a point and that it ended without results.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json/json.hpp"
#include "scaling/study.hpp"

namespace tessera::scaling {

/// One run of a point, as its file tells it.
struct Result {
  std::string failure;  ///< why it gave no figures; "" if it did
  double tokens_per_second = 0;
  double communication_share = 0;          ///< of a step, in which the slowest rank waited for data and tensor ranks
  double bubble = 0;                       ///< share of a step in which pipeline ranks stood idle
  std::int64_t memory_bytes = 0;           ///< peak of the largest rank
  std::int64_t cores = 0, busy_cores = 0;  ///< of the machine with most threads for them, and those threads
  std::vector<std::string> hosts;
  std::string cpu;
  std::int64_t micro_batch = 0;
};

/// How a run ended, to be kept.
struct RunEnd {
  std::string failure;          ///< "" if it gave figures
  std::string command, output;  ///< as a shell would read it; what bench printed
  double seconds = 0;           ///< wall time of the whole run
  int exit_code = 0;
};

/// A study's folder. Files appear whole or not at all, so that any number of processes may read while one writes.
class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

  /// The question that it holds, if it holds one. Throws base::Error for a file that is none.
  std::optional<Question> question() const;
  /// Makes the folder hold `question`. Throws base::UsageError with the differences if it holds another, and results.
  void keep_question(const Question& question) const;

  /// Repeats are counted from 1.
  std::optional<Result> result(const Point& point, std::int64_t repeat) const;
  void keep_result(const Point& point, std::int64_t repeat, const RunEnd& end) const;
  /// Keeps that `job` was lost: it is gone, and results of the point are missing. Stands beside the results and never
  /// in the place of one, which another host may have made though it cannot be seen here yet.
  void keep_loss(const Point& point, const std::string& job, const std::string& failure) const;
  /// Of the job that the point was last queued as; counts only while results are missing.
  std::optional<std::string> loss(const Point& point) const;
  /// Asks the file server what there is of a point. Over NFS a file that was absent is taken for absent without asking
  /// for up to a minute.
  void look_anew(const Point& point) const;
  /// Removes results that are failures, and losses, so that they are measured again.
  void forget_failures(const Point& point, std::int64_t repeats) const;

  /// Number of the Slurm job that a point was last queued as; "" if it never was.
  std::string job(const Point& point) const;
  void keep_job(const Point& point, const std::string& id) const;

  std::string point_folder(const Point& point) const { return path_ + "/points/" + point.name; }

 private:
  std::string loss_path(const Point& point) const { return point_folder(point) + "/lost.json"; }
  std::string result_path(const Point& point, std::int64_t repeat) const;
  std::string path_;
};

/// Reads what `tessera bench --json` printed. Throws base::Error.
Result read_bench(const json::Json& object);

}  // namespace tessera::scaling
