// SPDX-License-Identifier: Apache-2.0
#include "tools/check.hpp"

#include <filesystem>
#include <fmt/core.h>

#include "base/units.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/together.hpp"
#include "config/layout.hpp"
#include "config/options.hpp"
#include "config/print.hpp"
#include "config/validate.hpp"
#include "json/json.hpp"
#include "metrics/process_memory.hpp"
#include "model/parameter_specs.hpp"
#include "plan/memory.hpp"
#include "plan/traffic.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "train/flops.hpp"
#include "train/setup.hpp"

namespace tessera::tools {

namespace fs = std::filesystem;

namespace {

const std::vector<config::Flag> kFlags = {
    {"ranks", true, "check for a job of N ranks (1)"},
    {"print", false, "print the resolved configuration"},
    {"markdown", false, "print the reference of all keys (docs/options.md) and do nothing else"},
    {"json", false, "print one JSON object"},
};

/// How often gradients travel over the data axis in a step of the whole batch.
std::int64_t gradient_exchanges(const config::Config& config, const config::Layout& layout) {
  if (layout.data == 1) return 0;
  return config.parallel.zero == 2 ? config::num_micro_batches(config, layout, config.optim.batch) : 1;
}

json::Json to_json(const config::Config& config, const config::Layout& layout) {
  const config::ParallelConfig& parallel = config.parallel;
  json::Json object{json::Object{}};
  object.set("data", layout.data).set("pipeline", layout.pipeline).set("tensor", layout.tensor);
  object.set("pipeline_schedule", parallel.pipeline_schedule).set("virtual_stages", parallel.virtual_stages);
  object.set("sequence", parallel.sequence).set("zero", parallel.zero);
  object.set("wire", parallel.wire).set("reduce", parallel.reduce);
  object.set("micro_batches", config::num_micro_batches(config, layout, config.optim.batch));
  object.set("gradient_exchanges", gradient_exchanges(config, layout));
  return object;
}

void print_json(const config::Config& config, int ranks, const plan::MemoryPlan& memory) {
  const train::FlopsPerToken flops = train::flops_per_token(config.model);
  json::Json parts{json::Object{}};
  parts.set("weights", memory.weights).set("gradients", memory.gradients).set("moments", memory.moments);
  parts.set("activations", memory.activations).set("communication", memory.communication);
  parts.set("checkpoint", memory.checkpoint);
  parts.set("work_space", memory.work).set("program", memory.program).set("peak", memory.total());
  json::Json object{json::Object{}};
  object.set("parameters", model::num_parameters(config.model)).set("ranks", ranks);
  object.set("layout", to_json(config, config::layout_of(config, ranks)));
  object.set("micro_batch", config.optim.micro_batch).set("flops_per_token_causal", flops.causal);
  object.set("flops_per_token_palm", flops.palm).set("memory_bytes_per_rank", std::move(parts));
  if (config.optim.batch > 0) {
    const plan::Traffic traffic = plan::most_traffic(config, mesh_shape(config, ranks));
    json::Json axes{json::Object{}};
    axes.set("data", traffic.data).set("tensor", traffic.tensor).set("pipeline", traffic.pipeline);
    object.set("message_bytes_per_step", std::move(axes));
  }
  fmt::print("{}\n", object.dump());
}

}  // namespace

config::Config resolve_without_training(const config::Config& config, int ranks) {
  config::Config resolved = config;
  std::error_code error;
  const fs::file_status run_dir = fs::status(config.run.dir, error);
  if (fs::exists(run_dir) && !fs::is_directory(run_dir))
    base::fail_usage("run.dir = '{}' is a file: name a folder", config.run.dir);
  if (!config.data.train.empty()) {  // a run
    config::throw_if_any(config::missing_keys(config, {"optim.batch"}));
    // A run that has checkpoints goes on from them.
    if (!config.run.init_from.empty() && checkpoint::list_newest_first(config.run.dir + "/checkpoints").empty())
      checkpoint::candidates(config.run.init_from);
    const train::RunData data(config.data);
    return train::resolve(config, data, ranks);
  }
  if (resolved.model.vocab == 0)
    base::fail_usage("model.vocab = auto takes the vocabulary from data.train, which is not set: set one of the two");
  if (resolved.optim.micro_batch == 0) resolved.optim.micro_batch = train::automatic_micro_batch(config, ranks);
  return resolved;
}

base::ExitCode run_check(Invocation& invocation) {
  ConfigCall call = load_config_call(invocation, "check", kFlags, {});
  if (call.help_shown) return base::ExitCode::done;
  if (call.flags.contains("markdown")) {
    if (invocation.is_root()) fmt::print("{}", config::options_markdown());
    return base::ExitCode::done;
  }
  config::Config config;
  const int ranks = call.ranks;
  comm::together(invocation.world, "check", [&] { config = resolve_without_training(call.config, ranks); });
  if (!invocation.is_root()) return base::ExitCode::done;
  print_warnings(invocation, config, ranks);
  const config::Layout layout = config::layout_of(config, ranks);
  const plan::MemoryPlan memory = plan::predict_memory(
      config, {mesh_shape(config, ranks), call.threads, static_cast<std::uint64_t>(metrics::resident_memory_bytes())});
  if (call.flags.contains("json")) {
    print_json(config, ranks, memory);
    return base::ExitCode::done;
  }
  if (call.flags.contains("print")) fmt::print("{}\n", config::to_ini(config));
  const config::ModelConfig& m = config.model;
  const auto parameters = static_cast<std::uint64_t>(model::num_parameters(m));
  fmt::print("model: {}\n", config::describe(m));
  fmt::print("parameters: {} ({})\n", base::format_count(parameters),
             base::format_short(static_cast<double>(parameters)));
  fmt::print("work: {:.4f} GFLOP a token (causal), {:.4f} (PaLM)\n", train::flops_per_token(m).causal / 1e9,
             train::flops_per_token(m).palm / 1e9);
  fmt::print("layout: {}\n", config::describe(config.parallel, layout));
  fmt::print("batch: {} sequences of {} tokens over {} data rank(s), each in {} micro-batch(es) of {}\n",
             config.optim.batch, m.context, layout.data, config::num_micro_batches(config, layout, config.optim.batch),
             config.optim.micro_batch);
  if (const std::int64_t times = gradient_exchanges(config, layout); times > 1)
    fmt::print(
        "traffic: zero = 2 sends gradients after every micro-batch: {} times the gradient traffic of "
        "zero = 1\n",
        times);
  if (config.optim.batch_start > 0)
    fmt::print("ramp: from {} sequences a step in multiples of them, over {} tokens\n", config.optim.batch_start,
               base::format_count(static_cast<std::uint64_t>(config.optim.batch_ramp)));
  fmt::print("{}\n", plan::describe(memory));
  if (config.optim.batch > 0 && ranks > 1)
    fmt::print("{}\n", plan::describe(plan::most_traffic(config, mesh_shape(config, ranks))));
  return base::ExitCode::done;
}

}  // namespace tessera::tools
