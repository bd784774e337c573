// SPDX-License-Identifier: Apache-2.0
// What the actions of `tessera scale` share.
#pragma once

#include <string>
#include <vector>

#include "config/parse.hpp"
#include "scaling/study.hpp"
#include "tools/command.hpp"

namespace tessera::tools {

enum class ScaleAction : bool { run, submit };

/// Who starts ranks. A study of slurm may be continued by slurm_step, and the other way round; one of local may not.
enum class Executor { local, slurm, slurm_step };

/// Options of `scale run` and `scale submit`, read and checked.
struct ScaleCall {
  config::ParsedFlags flags;
  Executor executor = Executor::local;
  std::string output;          ///< full path of the study's folder
  scaling::Question question;  ///< from the options, or else from the folder
  double timeout_seconds = 600;
  bool has(const std::string& flag) const { return flags.flags.contains(flag); }
  std::string text(const std::string& flag, const std::string& fallback) const;
};

/// Reads options. Without any that asks something, the study in the folder is continued. Throws base::UsageError.
ScaleCall read_scale_call(const std::vector<std::string>& arguments, ScaleAction action);
/// Text of `--help`.
std::string scale_help(ScaleAction action);

/// A file that comes with the program, as "scripts/plot_scaling.py": in TESSERA_HOME, in the folder of the sources that
/// it was built in, in share/tessera beside its bin, or in this folder; "" if it is in none of them.
std::string support_file(const std::string& name);

base::ExitCode scale_run(const std::vector<std::string>& arguments);
base::ExitCode scale_submit(const std::vector<std::string>& arguments);
base::ExitCode scale_report(const std::vector<std::string>& arguments);

}  // namespace tessera::tools
