// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tessera::jobs {

/// Options of sbatch by their long names without dashes; those without a value have "". Each once.
using SbatchOptions = std::map<std::string, std::string>;

/// The text of slurm/train.sbatch, as it was when this program was built.
const char* train_job_script();

/// What a job script of --submit is made of. Options that are set later win.
struct BatchScript {
  SbatchOptions options;
  std::vector<std::pair<std::string, std::string>> variables;  ///< exported before the job script runs
  std::vector<std::string> arguments;                          ///< of the job script: CONFIG and options
  std::string opening;                                         ///< a comment of one line

  /// Options take the values of the #SBATCH lines of a job script.
  void take_defaults(const std::string& job_script);
  /// The whole script: #SBATCH lines, variables, arguments, and the job script without those lines. It needs nothing
  /// but the paths it names, and runs as well if it is submitted by hand.
  std::string text(const std::string& job_script) const;
};

/// "--name=value", "--name", "name=value" as an option. Throws base::UsageError for what is none, and for what
/// `tessera train --submit` itself must know or set.
std::pair<std::string, std::string> parse_sbatch_option(const std::string& text);

/// A path as sbatch reads file names, where % begins a pattern.
std::string sbatch_file_name(std::string path);

/// What sbatch takes from the environment: its SBATCH_ variables that have a value and a long option, as options.
/// `used` gets their names, `others` NAME=VALUE of those that only sbatch itself understands.
/// Throws base::UsageError for what makes no job that trains one run, or waits for its end.
SbatchOptions options_of_environment(const std::map<std::string, std::string>& environment,
                                     std::vector<std::string>& used, std::vector<std::string>& others);

/// The wall time as sbatch reads it, from "2h", "90m", "1.5d", or from what it reads itself ("90" are minutes,
/// "1:30:00", "2-00:00:00"). Throws base::UsageError.
std::string parse_wall_time(const std::string& text);
/// Seconds of such a time; 0 if it is none, as UNLIMITED.
double wall_time_seconds(const std::string& text);

/// Numbers of nodes: "4", or "2-8" for what is free.
struct NodeRange {
  int least = 1, most = 1;
  bool is_range() const { return least != most; }
  std::string text() const;
};
/// Throws base::UsageError.
NodeRange parse_nodes(const std::string& text);

}  // namespace tessera::jobs
