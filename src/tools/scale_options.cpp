// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/core.h>
#include <sstream>

#include "base/units.hpp"
#include "config/option_values.hpp"
#include "config/options.hpp"
#include "config/threads.hpp"
#include "scaling/results.hpp"
#include "tools/common.hpp"
#include "tools/scale.hpp"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

/// Options that ask something. Without any, and without a configuration, the study in the folder is continued.
const std::vector<config::Flag> kQuestions = {
    {"ranks", true, "numbers of ranks, as in 1,2,4"},
    {"nodes", true, "numbers of nodes instead, of --ranks-per-node ranks each"},
    {"ranks-per-node", true, "ranks on a node at most (one machine: all)"},
    {"mode", true, "strong (the batch stays) | weak (a rank's work stays) | both (both)"},
    {"layouts", true, "auto, or layouts to compare, as in \"tensor=2;pipeline=2,zero=1\" (auto)"},
    {"most-layouts", true, "layouts of auto at a number of ranks (4)"},
    {"batch-per-rank", true, "weak: sequences a step and rank (optim.batch)"},
    {"cores", true, "cores of a node (those of this machine or job; submit: what the ranks take)"},
    {"no-single-rank", false, "compare with the fewest ranks asked for: the model does not fit one rank"},
    {"warmup", true, "steps before those measured (2)"},
    {"steps", true, "measured steps of a run (5)"},
    {"repeats", true, "runs of a point (3)"},
};
const std::vector<config::Flag> kOthers = {
    {"output", true, "folder of the study; needed"},
    {"timeout", true, "longest time for one run (10m)"},
    {"retry", false, "run points again that failed"},
    {"sbatch", true, "one more word for sbatch, as in --sbatch=--time=30; repeats", true},
    {"quiet", false, "print no line for each run or job"},
};
const std::vector<config::Flag> kOfRun = {
    {"executor", true,
     "local | slurm-step (in a job, and the default there) | slurm (a job a point, and wait for them)"},
    {"only", true, "one point, by its name"},
    {"json", false, "print the report as one JSON object"},
};

std::vector<config::Flag> flags_of(ScaleAction action) {
  std::vector<config::Flag> flags = kQuestions;
  flags.insert(flags.end(), kOthers.begin(), kOthers.end());
  if (action == ScaleAction::run) flags.insert(flags.end(), kOfRun.begin(), kOfRun.end());
  return flags;
}

std::int64_t count(const ScaleCall& call, const std::string& flag, std::int64_t fallback, std::int64_t least,
                   std::int64_t most) {
  if (!call.has(flag)) return fallback;
  const std::string text = call.text(flag, ""), name = "--" + flag;
  const std::string rule = fmt::format("a whole number from {} to {}", least, most);
  const std::int64_t value =
      config::parse_or_refuse(name, text, rule, [](const std::string& word) { return base::parse_count(word); });
  if (value < least || value > most) config::refuse(name, text, rule);
  return value;
}

/// Rising, each once.
std::vector<int> numbers(const std::string& text, const std::string& flag) {
  std::vector<int> found;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) found.push_back(parse_ranks(word, flag));
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<scaling::Mode> modes(const std::string& text) {
  using scaling::Mode;
  if (text == "strong") return {Mode::strong};
  if (text == "weak") return {Mode::weak};
  if (text != "both") config::refuse("--mode", text, "strong, weak or both");
  return {Mode::strong, Mode::weak};
}

void read_ranks(const ScaleCall& call, Executor executor, scaling::Question& question) {
  const bool local = executor == Executor::local;
  if (call.has("nodes") && local)
    base::fail_usage("--nodes = '{}' needs Slurm: use --ranks on this machine, or `tessera scale submit`",
                     call.text("nodes", ""));
  if (call.has("nodes") == call.has("ranks"))
    base::fail_usage("a study needs either --ranks, as in --ranks 1,2,4, or --nodes and --ranks-per-node");
  if (!local && !call.has("ranks-per-node"))
    base::fail_usage("a study on Slurm needs --ranks-per-node: how many ranks a node gets");
  if (local && call.has("ranks-per-node"))
    base::fail_usage("--ranks-per-node = '{}' needs Slurm: on this machine leave it out",
                     call.text("ranks-per-node", ""));
  question.ranks =
      numbers(call.text(call.has("nodes") ? "nodes" : "ranks", ""), call.has("nodes") ? "--nodes" : "--ranks");
  if (question.ranks.empty()) base::fail_usage("--ranks names no number: use, for example, --ranks 1,2,4");
  question.ranks_per_node =
      local ? question.ranks.back() : parse_ranks(call.text("ranks-per-node", ""), "--ranks-per-node");
  if (!call.has("nodes")) return;
  for (int& ranks : question.ranks) {
    if (ranks > config::most_ranks / question.ranks_per_node)
      base::fail_usage("--nodes {} of {} ranks are more than {} ranks: use fewer", ranks, question.ranks_per_node,
                       config::most_ranks);
    ranks *= question.ranks_per_node;
  }
}

/// Cores of a node, and threads of a rank.
void read_cores(const ScaleCall& call, Executor executor, scaling::Question& question) {
  const std::string& threads = question.config.run.threads;
  const int on_node = std::min(question.ranks_per_node, question.ranks.back());
  int cores = config::affinity_cores();
  if (executor == Executor::slurm_step) cores = jobs::slurm_allocation().cores_per_node;
  if (executor == Executor::slurm && threads == "auto")
    base::fail_usage(
        "run.threads = auto cannot be told for nodes that are not there yet: say how many threads a rank "
        "has, as in --run.threads=4");
  if (threads == "auto" && !std::getenv("OMP_NUM_THREADS"))
    question.threads = std::max(1, cores / on_node);
  else
    question.threads = config::resolve_threads(threads, on_node);
  if (executor == Executor::slurm) cores = on_node * question.threads;
  question.cores = static_cast<int>(count(call, "cores", cores, 1, config::most_threads));
}

scaling::Question read_question(const ScaleCall& call, const config::Config& config, Executor executor) {
  scaling::Question question;
  question.config = config;
  question.executor = executor == Executor::local ? "local" : "slurm";
  question.modes = modes(call.text("mode", "both"));
  read_ranks(call, executor, question);
  read_cores(call, executor, question);
  question.layouts = call.text("layouts", "auto");
  constexpr std::int64_t kMost = 1'000'000;
  question.most_layouts = count(call, "most-layouts", question.most_layouts, 1, 100);
  question.batch_per_rank = count(call, "batch-per-rank", 0, 1, kMost);
  question.single_rank = !call.has("no-single-rank");
  question.num_warmup = count(call, "warmup", question.num_warmup, 0, kMost);
  question.num_steps = count(call, "steps", question.num_steps, 1, kMost);
  question.num_repeats = count(call, "repeats", question.num_repeats, 1, 1000);
  scaling::check(question);
  return question;
}

/// Whether the command line says what is to be measured.
bool asks(const ScaleCall& call, const std::vector<std::string>& arguments) {
  for (const config::Flag& flag : kQuestions)
    if (call.has(flag.name)) return true;
  return std::any_of(arguments.begin(), arguments.end(), [](const std::string& argument) {
    const std::string name = argument.substr(0, argument.find('='));
    return name == "--config" || (name.starts_with("--") && config::find_option(name.substr(2)));
  });
}

scaling::Question stored_question(const std::string& output, Executor executor) {
  const std::optional<scaling::Question> found = scaling::Folder(output).question();
  if (!found)
    base::fail_usage("'{}' holds no study yet: say what to measure, as in --config FILE --ranks 1,2,4", output);
  const bool local = executor == Executor::local;
  if (local != (found->executor == "local"))
    base::fail_usage("'{}' holds a study of executor {}: {}", output, found->executor,
                     local ? "continue it with `tessera scale submit`, or in a job with --executor slurm-step"
                           : "continue it with --executor local");
  return *found;
}

}  // namespace

std::string ScaleCall::text(const std::string& flag, const std::string& fallback) const {
  return has(flag) ? flags.flags.at(flag).back() : fallback;
}

namespace {

/// The value of --executor; if it is not given, slurm_step in a Slurm job and else local.
Executor executor_of(const ScaleCall& call) {
  const bool in_a_job = std::getenv("SLURM_JOB_ID") != nullptr;
  const std::string name = call.text("executor", in_a_job ? "slurm-step" : "local");
  if (name == "local") return Executor::local;
  if (name == "slurm") return Executor::slurm;
  if (name != "slurm-step") config::refuse("--executor", name, "local, slurm or slurm-step");
  return Executor::slurm_step;
}

void check_use(const ScaleCall& call) {
  const bool queues = call.executor == Executor::slurm;
  if (call.has("sbatch") && !queues)
    base::fail_usage("--sbatch = '{}' has no use without jobs: use `tessera scale submit`, or --executor slurm",
                     call.text("sbatch", ""));
  if (call.has("only") && queues)
    base::fail_usage("--only = '{}' has no use with --executor slurm: leave it out", call.text("only", ""));
}

}  // namespace

ScaleCall read_scale_call(const std::vector<std::string>& arguments, ScaleAction action) {
  const config::ParsedConfig parsed = config::load_config(arguments, flags_of(action));
  if (!parsed.positional.empty())
    base::fail_usage("'{}' is not understood: options start with --, as in --config FILE", parsed.positional.front());
  ScaleCall call;
  call.flags = parsed;
  call.executor = action == ScaleAction::submit ? Executor::slurm : executor_of(call);
  check_use(call);
  if (call.text("output", "").empty()) base::fail_usage("--output is missing: name the folder of the study");
  call.output = fs::absolute(call.text("output", "")).lexically_normal().string();
  while (call.output.size() > 1 && call.output.back() == '/') call.output.pop_back();
  const std::string rule = "a time > 0, as in 90, 10m, 2h", timeout = call.text("timeout", "10m");
  call.timeout_seconds = config::parse_or_refuse("--timeout", timeout, rule,
                                                 [](const std::string& text) { return base::parse_seconds(text); });
  if (!(call.timeout_seconds > 0)) config::refuse("--timeout", timeout, rule);
  call.question = asks(call, arguments) ? read_question(call, parsed.config, call.executor)
                                        : stored_question(call.output, call.executor);
  return call;
}

std::string scale_help(ScaleAction action) {
  const char* name = action == ScaleAction::run ? "run" : "submit";
  std::string text =
      fmt::format("Usage: tessera scale {} --config FILE [--section.key=value ...] --output DIR ...\n\n", name);
  for (const config::Flag& flag : flags_of(action))
    text += fmt::format("  --{:<24} {}\n", flag.name + (flag.takes_value ? " VALUE" : ""), flag.help);
  return text +
         "\nA folder that holds a study needs no other option than --output: what is missing is measured.\n"
         "Keys of the configuration: `tessera check --help`.\n";
}

}  // namespace tessera::tools
