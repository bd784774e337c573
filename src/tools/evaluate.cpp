// SPDX-License-Identifier: Apache-2.0
#include "train/evaluate.hpp"

#include <fmt/core.h>

#include "comm/together.hpp"
#include "json/json.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/text_input.hpp"
#include "train/setup.hpp"

namespace tessera::tools {
namespace {

const std::vector<config::Flag> kFlags = {
    {"checkpoint", true, "checkpoint file, folder of checkpoints, or run folder (newest)"},
    {"task", true, "perplexity (the default)"},
    {"data", true, "text file or token file to evaluate on; default: the run's own held-out part"},
    {"tensor", true, "ranks over which each layer is cut (1)"},
    {"pipeline", true, "ranks over which the layers are dealt out (1)"},
    {"threads", true, "threads a rank, or auto"},
    {"json", false, "print one JSON object"},
};

json::Json to_json(const train::Evaluation& result) {
  json::Json metrics{json::Object{}};
  metrics.set("loss", result.loss).set("perplexity", result.perplexity()).set("bits_per_byte", result.bits_per_byte);
  return metrics;
}

json::Json files_json(const std::vector<EvaluationText>& texts, const std::vector<train::Evaluation>& parts) {
  json::Json list{json::Array{}};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    json::Json entry{json::Object{}};
    entry.set("file", texts[i].range().file->path()).set("metrics", to_json(parts[i]));
    list.push(std::move(entry.set("samples", parts[i].num_targets)));
  }
  return list;
}

void print_result(const std::string& name, const train::Evaluation& result) {
  fmt::print("{}: {} tokens   loss {:.6f} nats a token   perplexity {:.4f}   {}\n", name, result.num_targets,
             result.loss, result.perplexity(), result.describe_bits());
}

}  // namespace

base::ExitCode run_evaluate(Invocation& invocation) {
  const PlainCall call = shared_call(invocation, "evaluate", kFlags);
  if (call.help_shown()) return base::ExitCode::done;
  const comm::Communicator& world = invocation.world;
  comm::together(world, "task", [&] {
    const std::string task = call.text("task", "perplexity");
    if (task != "perplexity") base::fail_usage("--task '{}' is not known; the one task is perplexity", task);
    call.required("checkpoint");
  });
  const comm::Mesh mesh = *make_model_mesh(world, call, DataRanks::all);
  const train::LoadedModel model = load_checkpoint(mesh, call.text("checkpoint", ""));
  std::vector<EvaluationText> texts;
  std::vector<std::uint64_t> text_bytes;
  int threads = 1;
  text::TokenId document_end = -1;
  comm::together(world, "data", [&] {
    if (call.has("data"))
      texts.push_back(open_evaluation_text(call.text("data", ""), *model.tokenizer));
    else
      texts = held_out_texts(model.config.data, *model.tokenizer, model.path);
    for (const EvaluationText& text : texts) {
      if (text.range().num_tokens() < 2) base::fail_usage("{} has fewer than 2 tokens to evaluate on", text.name());
      text_bytes.push_back(train::target_text_bytes(text.range()));
    }
    document_end = train::document_end(model.config.data, *model.tokenizer);
    threads = call.threads(invocation);
  });
  const std::unique_ptr<tensor::Device> device = make_device(world, threads);
  const std::int64_t context = model.config.model.context;
  const std::int64_t batch = train::automatic_micro_batch(16, context);
  const train::EvaluationSettings settings{context, batch, document_end,
                                           model::schedule_of(model.config, mesh.shape().pipeline, 1)};
  tensor_parallel::TensorAxis axis(mesh.tensor(), *device, false);
  model::ModelStage stage(*device, axis, model.config.model, *model.parameters, batch);
  pipeline::Runner runner(mesh.pipeline(), 1);
  train::TokenMixture mixture;
  std::vector<train::Evaluation> parts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    mixture.sources.push_back({texts[i].range(), texts[i].weight()});
    parts.push_back(train::evaluate(mesh, runner, stage, texts[i].range(), settings, text_bytes[i]).value());
  }
  const train::Evaluation whole = train::combine(parts, mixture);
  train::require_finite(whole, fmt::format("'{}': ", model.path));
  if (!invocation.is_root()) return base::ExitCode::done;
  if (call.has("json")) {
    json::Json object{json::Object{}};
    object.set("task", "perplexity").set("metrics", to_json(whole)).set("samples", whole.num_targets);
    object.set("checkpoint", model.path).set("step", model.state.step);
    if (parts.size() > 1) object.set("files", files_json(texts, parts));
    fmt::print("{}\n", object.dump());
    return base::ExitCode::done;
  }
  fmt::print("'{}' (step {})\n", model.path, model.state.step);
  for (std::size_t i = 0; i < parts.size(); ++i) print_result(texts[i].name(), parts[i]);
  if (parts.size() > 1) print_result("all of it", whole);
  return base::ExitCode::done;
}

}  // namespace tessera::tools
