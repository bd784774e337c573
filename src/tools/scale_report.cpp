// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "base/posix_file.hpp"
#include "jobs/program.hpp"
#include "scaling/report.hpp"
#include "scaling/submission.hpp"
#include "tools/common.hpp"
#include "tools/scale.hpp"

namespace tessera::tools {
namespace {

/// Draws the picture with whichever Python has matplotlib. A line for people: where it is, or how to get it.
std::string draw(const std::string& folder) {
  const std::string script = support_file("scripts/plot_scaling.py"), picture = folder + "/report.png";
  const std::string how = fmt::format("no picture: `python3 {} {}` makes it where python3-matplotlib is installed",
                                      script.empty() ? "scripts/plot_scaling.py" : script, folder);
  if (script.empty()) return how;
  for (const char* python : {"python3", "/usr/bin/python3"}) {
    if (!jobs::is_installed(python)) continue;
    if (jobs::run_program({python, script, folder, "--output", picture}).succeeded())
      return fmt::format("'{}'", picture);
  }
  return how;
}

/// Jobs that ended without results are failures; where Slurm cannot be asked, they are just missing.
void settle(const scaling::Study& study, const scaling::Folder& folder) {
  if (study.question.executor != "slurm" || !jobs::is_installed("squeue")) return;
  const scaling::OpenJobs open = scaling::open_jobs(study, folder);
  if (!open.problem.empty()) fmt::print(stderr, "warning: {}\n", open.problem);
  scaling::settle_jobs(study, folder, open.ended);
}

}  // namespace

base::ExitCode scale_report(const std::vector<std::string>& arguments) {
  const std::vector<config::Flag> flags = {{"json", false, "print one JSON object"}};
  const PlainCall call(arguments, true, "scale report DIR", flags, 1);
  if (call.help_shown()) return base::ExitCode::done;
  if (call.positional().empty()) base::fail_usage("tessera scale report needs the folder of a study");
  std::string path = call.positional().front();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const scaling::Folder folder(path);
  const std::optional<scaling::Question> question = folder.question();
  if (!question)
    base::fail_usage("'{}' is no folder of a study: it has no study.json, which `tessera scale run` makes", path);
  const scaling::Study study = scaling::plan(*question);
  settle(study, folder);
  const scaling::Summary summary = scaling::summarize(study, folder);
  const std::string json = scaling::report_json(summary);
  base::replace_file(path + "/report.json", json);
  base::replace_file(path + "/report.csv", scaling::report_csv(summary));
  const std::string picture = draw(path);
  if (call.has("json"))
    fmt::print("{}", json);
  else
    fmt::print("{}\n'{}/report.csv', '{}/report.json', {}\n", scaling::report_text(summary), path, path, picture);
  return base::ExitCode::done;
}

}  // namespace tessera::tools
