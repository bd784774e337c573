// SPDX-License-Identifier: Apache-2.0
#include "train/generate.hpp"

#include <cstdio>
#include <fmt/core.h>
#include <unistd.h>

#include "comm/together.hpp"
#include "json/json.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "train/tokens.hpp"

namespace tessera::tools {
namespace {

const std::vector<config::Flag> kFlags = {
    {"checkpoint", true, "checkpoint file, folder of checkpoints, or run folder (newest)"},
    {"prompt", true, "text to continue; may be given several times; without one a new document is begun", true},
    {"tokens", true, "most tokens to add to each prompt (256)"},
    {"temperature", true, "0 = always the most likely token (1.0)"},
    {"top-k", true, "draw from the k most likely tokens only; 0 = all (0)"},
    {"top-p", true, "draw from the smallest set with this probability (1.0)"},
    {"seed", true, "seed of the draws (0)"},
    {"stop", true, "end when this text appears"},
    {"tensor", true, "ranks over which each layer is cut (1)"},
    {"pipeline", true, "ranks over which the layers are dealt out (1)"},
    {"threads", true, "threads, or auto"},
    {"json", false, "print one JSON object"},
};

void write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

train::GenerateOptions options_of(const PlainCall& call) {
  train::GenerateOptions options;
  options.max_tokens = call.count("tokens", 256);
  options.sampling.temperature = call.number("temperature", 1.0, 0.0, 1e6);
  options.sampling.top_k = call.count("top-k", 0);
  options.sampling.top_p = call.number("top-p", 1.0, 0.0, 1.0);
  options.sampling.seed = call.seed("seed", 0);
  options.stop = call.text("stop", "");
  call.required("checkpoint");
  return options;
}

/// All ranks of the mesh draw the same tokens; the first one shows them.
base::ExitCode generate(const Invocation& invocation, const PlainCall& call, const comm::Mesh& mesh) {
  train::GenerateOptions options;
  int threads = 1;
  comm::together(mesh.all(), "options", [&] {
    options = options_of(call);
    threads = call.threads(invocation);
  });
  const train::LoadedModel model = load_checkpoint(mesh, call.text("checkpoint", ""));
  const std::unique_ptr<tensor::Device> device = make_device(mesh.all(), threads);
  tensor_parallel::TensorAxis axis(mesh.tensor(), *device, false);
  model::Decoder decoder(*device, {&axis, &mesh.pipeline()}, model.config.model, *model.parameters,
                         train::document_end(model.config.data, *model.tokenizer));
  const bool shows = mesh.all().rank() == 0;
  std::vector<std::string> prompts = call.all("prompt");
  if (prompts.empty()) prompts.emplace_back();
  json::Json results{json::Array{}};
  for (const std::string& prompt : prompts) {
    const bool as_json = call.has("json");
    if (!as_json && shows) write(prompt);
    const train::Generation result =
        train::generate(decoder, *model.tokenizer, prompt, options, [&](std::string_view text) {
          if (as_json || !shows) return;
          write(text);
          std::fflush(stdout);
        });
    if (!as_json && shows) write(prompts.size() > 1 ? "\n\n" : "\n");
    json::Json ids{json::Array{}};
    for (const text::TokenId id : result.new_ids) ids.push(static_cast<std::int64_t>(id));
    json::Json entry{json::Object{}};
    entry.set("prompt", prompt).set("text", result.text).set("ids", std::move(ids)).set("ended", result.ended);
    results.push(std::move(entry));
    ++options.stream;
  }
  if (call.has("json") && shows) {
    json::Json object{json::Object{}};
    object.set("checkpoint", model.path).set("step", model.state.step).set("generations", std::move(results));
    fmt::print("{}\n", object.dump());
  }
  return base::ExitCode::done;
}

}  // namespace

base::ExitCode run_generate(Invocation& invocation) {
  const PlainCall call = shared_call(invocation, "generate", kFlags);
  if (call.help_shown()) return base::ExitCode::done;
  const std::optional<comm::Mesh> mesh = make_model_mesh(invocation.world, call, DataRanks::one);
  return on_mesh(invocation, mesh, [&](const comm::Mesh& of) { return generate(invocation, call, of); });
}

}  // namespace tessera::tools
