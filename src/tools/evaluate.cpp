// SPDX-License-Identifier: Apache-2.0
#include "train/evaluate.hpp"

#include <fmt/core.h>

#include "comm/together.hpp"
#include "json/json.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/text_input.hpp"
#include "train/loaded_model.hpp"
#include "train/setup.hpp"

namespace tessera::tools {
namespace {

const std::vector<config::Flag> kFlags = {
    {"checkpoint", true, "checkpoint file, folder of checkpoints, or run folder (newest)"},
    {"task", true, "perplexity (the default)"},
    {"data", true, "text file or token file to evaluate on; default: the run's own held-out part"},
    {"threads", true, "threads a rank, or auto"},
    {"json", false, "print one JSON object"},
};

}  // namespace

base::ExitCode run_evaluate(Invocation& invocation) {
  const PlainCall call = shared_call(invocation, "evaluate", kFlags);
  if (call.help_shown()) return base::ExitCode::done;
  const comm::Communicator& world = invocation.world;
  train::LoadedModel model;
  EvaluationText text;
  std::uint64_t text_bytes = 0;
  int threads = 1;
  comm::together(world, "model and data", [&] {
    const std::string task = call.text("task", "perplexity");
    if (task != "perplexity") base::fail_usage("--task '{}' is not known; the one task is perplexity", task);
    model = train::load_model(call.required("checkpoint"));
    text = call.has("data") ? open_evaluation_text(call.text("data", ""), *model.tokenizer)
                            : held_out_text(model.config.data, *model.tokenizer, model.path);
    if (text.range().num_tokens() < 2) base::fail_usage("the text to evaluate on has fewer than 2 tokens");
    text_bytes = train::target_text_bytes(text.range());
    threads = call.threads(invocation);
  });
  const std::unique_ptr<tensor::Device> device = make_device(world, threads);
  const std::int64_t context = model.config.model.context;
  const std::int64_t batch = train::automatic_micro_batch(16, context);
  model::GptStage stage(*device, model.config.model, *model.parameters, {batch, context, false});
  const train::Evaluation result = train::evaluate(world, stage, text.range(), context, batch, text_bytes);
  if (!invocation.is_root()) return base::ExitCode::done;
  if (call.has("json")) {
    json::Json metrics{json::Object{}};
    metrics.set("loss", result.loss).set("perplexity", result.perplexity()).set("bits_per_byte", result.bits_per_byte);
    json::Json object{json::Object{}};
    object.set("task", "perplexity").set("metrics", std::move(metrics)).set("samples", result.num_targets);
    object.set("checkpoint", model.path).set("step", model.state.step);
    fmt::print("{}\n", object.dump());
  } else {
    fmt::print("'{}' (step {}) on {}: {} tokens\n", model.path, model.state.step, text.name(), result.num_targets);
    fmt::print("loss {:.6f} nats a token   perplexity {:.4f}   {:.4f} bits a byte\n", result.loss, result.perplexity(),
               result.bits_per_byte);
  }
  return base::ExitCode::done;
}

}  // namespace tessera::tools
