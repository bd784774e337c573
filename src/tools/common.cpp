// SPDX-License-Identifier: Apache-2.0
#include "tools/common.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/core.h>
#include <limits>
#include <optional>

#include "base/units.hpp"
#include "base/version.hpp"
#include "comm/by_rank.hpp"
#include "comm/together.hpp"
#include "config/layout.hpp"
#include "config/option_values.hpp"
#include "config/options.hpp"
#include "config/threads.hpp"
#include "config/validate.hpp"
#include "config/warnings.hpp"
#include "tensor/library.hpp"

namespace tessera::tools {
namespace {

/// What each rank, and the first of each node, has to say against its threads: a step may take several times as long.
void warn_about_threads(const Invocation& invocation, int threads) {
  const int cores = config::affinity_cores();
  std::string of_rank, of_node;
  if (threads > cores)
    of_rank =
        fmt::format("{} threads, but only {} core(s) may be used: start with mpirun --bind-to none, or set run.threads",
                    threads, cores);
  const int ranks = invocation.world.node_size(), all_cores = config::cores_for_ranks(ranks);
  if (threads > 1 && threads * ranks > all_cores && invocation.world.node_rank() == 0)
    of_node = fmt::format(
        "{} ranks of {} threads share {} core(s) of the node: threads without work spin, and a step may take many "
        "times as long: lower run.threads to {}",
        ranks, threads, all_cores, std::max(1, all_cores / ranks));
  for (const std::string* text : {&of_rank, &of_node})
    for (const std::string& line : comm::gather_by_rank(invocation.world, *text, "warnings about threads"))
      if (invocation.is_root()) fmt::print(stderr, "warning: {}\n", line);
}

void print_flags(const std::vector<config::Flag>& flags) {
  for (const config::Flag& flag : flags)
    fmt::print("  --{:<24} {}\n", flag.name + (flag.takes_value ? " VALUE" : ""), flag.help);
}

}  // namespace

bool wants_help(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments)
    if (argument == "--help" || argument == "-h") return true;
  return false;
}

int parse_ranks(const std::string& text, const std::string& flag) {
  const std::string rule = fmt::format("a whole number from 1 to {}", config::most_ranks);
  const std::int64_t ranks =
      config::parse_or_refuse(flag, text, rule, [](const std::string& value) { return base::parse_count(value); });
  if (ranks < 1 || ranks > config::most_ranks) config::refuse(flag, text, rule);
  return static_cast<int>(ranks);
}

ConfigCall load_config_call(Invocation& invocation, const char* command, const std::vector<config::Flag>& flags,
                            const std::vector<std::string>& required) {
  ConfigCall call;
  if (wants_help(invocation.arguments)) {
    call.help_shown = true;
    if (!invocation.is_root()) return call;
    fmt::print("Usage: tessera {} --config FILE [--section.key=value ...]\n\n", command);
    print_flags(flags);
    fmt::print("\nKeys, in files under [section] or here as --section.key=value:\n{}", config::options_help());
    return call;
  }
  comm::together(invocation.world, "configuration", [&] {
    config::ParsedConfig parsed = config::load_config(invocation.arguments, flags);
    if (!parsed.positional.empty())
      base::fail_usage("'{}' is not understood: options start with --, as in --config FILE", parsed.positional.front());
    call.config = parsed.config;
    call.flags = parsed.flags;
    call.ranks = call.flags.contains("ranks") ? parse_ranks(call.flags.at("ranks").back()) : invocation.world.size();
    std::vector<config::Problem> problems = config::validate(call.config, call.ranks);
    for (const config::Problem& missing : config::missing_keys(call.config, required)) problems.push_back(missing);
    config::throw_if_any(problems);
    call.threads = config::resolve_threads(call.config.run.threads, invocation.world.node_size());
  });
  warn_about_threads(invocation, call.threads);
  return call;
}

void settle_precision(const Invocation& invocation, config::Config& config) {
  if (config.run.precision != "bf16") return;
  const bool lacking = invocation.world.max(tensor::offers_bf16() ? 0.0 : 1.0, "precision of all ranks") > 0;
  if (!lacking) return;
  config.run.precision = "fp32";
  if (invocation.is_root())
    fmt::print(stderr,
               "warning: run.precision = bf16, but the CPU of at least one rank ({}) has no AVX512-BF16 instructions: "
               "training in fp32\n",
               tensor::cpu_name());
}

void print_warnings(const Invocation& invocation, const config::Config& config, int ranks) {
  if (!invocation.is_root()) return;
  for (const std::string& warning : config::warnings(config, ranks)) fmt::print(stderr, "warning: {}\n", warning);
}

PlainCall::PlainCall(const std::vector<std::string>& arguments, bool shows, const char* command,
                     const std::vector<config::Flag>& flags, std::size_t most_positional)
    : command_(command) {
  if (wants_help(arguments)) {
    help_shown_ = true;
    if (!shows) return;
    fmt::print("Usage: tessera {} [options]\n\n", command);
    print_flags(flags);
    return;
  }
  config::ParsedFlags parsed = config::parse_flags(arguments, flags);
  values_ = std::move(parsed.flags);
  positional_ = std::move(parsed.positional);
  if (positional_.size() > most_positional)
    base::fail_usage("'{}' is not understood: see tessera {} --help", positional_[most_positional], command);
}

std::string PlainCall::required(const std::string& flag) const {
  if (!has(flag)) base::fail_usage("tessera {} needs --{} (see tessera {} --help)", command_, flag, command_);
  const std::string& value = values_.at(flag).back();
  if (value.empty()) base::fail_usage("tessera {}: --{} is empty: give it a value", command_, flag);
  return value;
}

std::string PlainCall::text(const std::string& flag, const std::string& fallback) const {
  return has(flag) ? values_.at(flag).back() : fallback;
}

std::vector<std::string> PlainCall::all(const std::string& flag) const {
  return has(flag) ? values_.at(flag) : std::vector<std::string>{};
}

std::int64_t PlainCall::count(const std::string& flag, std::int64_t fallback) const {
  if (!has(flag)) return fallback;
  return config::parse_or_refuse("--" + flag, values_.at(flag).back(), "a whole number >= 0, as in 1000 or 20k",
                                 [](const std::string& value) { return base::parse_count(value); });
}

std::uint64_t PlainCall::seed(const std::string& flag, std::uint64_t fallback) const {
  if (!has(flag)) return fallback;
  const std::string& text = values_.at(flag).back();
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size())
    config::refuse("--" + flag, text, "a whole number from 0 to 2^64 - 1");
  return value;
}

double PlainCall::number(const std::string& flag, double fallback, double least, double most) const {
  if (!has(flag)) return fallback;
  const std::string& text = values_.at(flag).back();
  std::size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != text.size() || !(value >= least && value <= most))
    base::fail_usage("--{} = '{}' is not a number from {} to {}", flag, text, least, most);
  return value;
}

int PlainCall::threads(const Invocation& invocation) const {
  return config::resolve_threads(text("threads", "auto"), invocation.world.node_size(), "--threads");
}

PlainCall shared_call(Invocation& invocation, const char* command, const std::vector<config::Flag>& flags,
                      std::size_t most_positional) {
  std::optional<PlainCall> call;
  comm::together(invocation.world, "options", [&] { call.emplace(invocation, command, flags, most_positional); });
  return *call;
}

namespace {

/// Tells all ranks how rank 0 fared; they wait as long as it takes.
base::ExitCode share_outcome(Invocation& invocation, int code, std::string problem) {
  comm::Communicator& world = invocation.world;
  world.set_timeout(std::numeric_limits<double>::infinity());
  problem = world.broadcast_text(problem, 0, "work of rank 0");
  world.broadcast<int>({&code, 1}, 0, "exit code of rank 0");
  if (!problem.empty()) throw base::SharedError(problem, static_cast<base::ExitCode>(code));
  return static_cast<base::ExitCode>(code);
}

}  // namespace

base::ExitCode on_root(Invocation& invocation, const std::function<base::ExitCode()>& action) {
  int code = 0;
  std::string problem;
  try {
    if (invocation.is_root()) code = static_cast<int>(action());
  } catch (const base::Error& error) {
    code = static_cast<int>(error.code());
    problem = error.what();
  }
  return share_outcome(invocation, code, problem);
}

base::ExitCode on_mesh(Invocation& invocation, const std::optional<comm::Mesh>& mesh,
                       const std::function<base::ExitCode(const comm::Mesh&)>& action) {
  int code = 0;
  std::string problem;
  try {
    if (mesh) code = static_cast<int>(action(*mesh));
  } catch (const base::SharedError& error) {  // of all ranks of the mesh, rank 0 among them
    code = static_cast<int>(error.code());
    problem = error.what();
  }
  return share_outcome(invocation, code, problem);
}

comm::MeshShape mesh_shape(const config::Config& config, int ranks) {
  const config::Layout layout = config::layout_of(config, ranks);
  return {layout.data, layout.pipeline, layout.tensor};
}

comm::Mesh make_mesh(const comm::Communicator& world, const config::Config& config) {
  comm::Mesh mesh(world, mesh_shape(config, world.size()));
  if (!mesh.tensor_on_one_node() && world.rank() == 0)
    fmt::print(stderr,
               "warning: parallel.tensor = {}, but not all tensor ranks share a node: their sums, several in each "
               "layer, cross the network and nothing hides them. Use a number that divides the ranks of a node\n",
               config.parallel.tensor);
  return mesh;
}

namespace {

int ranks_of_axis(const PlainCall& call, const std::string& flag) {
  return parse_ranks(call.text(flag, "1"), "--" + flag);
}

}  // namespace

std::optional<comm::Mesh> make_model_mesh(const comm::Communicator& world, const PlainCall& call,
                                          DataRanks data_ranks) {
  comm::MeshShape shape;
  comm::together(world, "mesh of the model", [&] {
    shape.tensor = ranks_of_axis(call, "tensor");
    shape.pipeline = ranks_of_axis(call, "pipeline");
    const std::int64_t needed = std::int64_t{shape.tensor} * shape.pipeline;
    const bool fits = data_ranks == DataRanks::all ? world.size() % needed == 0 : needed <= world.size();
    if (!fits)
      base::fail_usage("--tensor {} x --pipeline {} need {} rank(s){}, the job has {}: start it with mpirun -n {}",
                       shape.tensor, shape.pipeline, needed, data_ranks == DataRanks::all ? " or a multiple" : "",
                       world.size(), needed);
  });
  if (data_ranks == DataRanks::all) {
    shape.data = world.size() / (shape.tensor * shape.pipeline);
    return comm::Mesh(world, shape);
  }
  const comm::Communicator group = world.split(world.rank() < shape.size() ? 0 : -1);
  if (group.size() == 0) return {};
  return comm::Mesh(group, shape);
}

std::unique_ptr<tensor::Device> make_device(const comm::Communicator& world, int threads) {
  std::unique_ptr<tensor::Device> device;
  comm::together(world, "device", [&] { device = std::make_unique<tensor::Device>(threads); });
  return device;
}

train::LoadedModel load_checkpoint(const comm::Mesh& mesh, const std::string& path) {
  train::LoadedModel model = train::load_model(mesh, path);
  if (mesh.all().rank() != 0) return model;
  for (const std::string& damage : model.damage) fmt::print(stderr, "warning: {}\n", damage);
  if (!model.damage.empty()) fmt::print(stderr, "warning: using '{}'\n", model.path);
  return model;
}

std::string gpu_description() {
  return "none: built without a GPU backend";
}

std::string version_line(const tensor::Device& device) {
  return fmt::format("tessera {} ({}), {} kernels, {}, {}", base::version(), base::build_description(),
                     device.instruction_set(), tensor::matrix_library_version(), comm::Environment::library_version());
}

}  // namespace tessera::tools
