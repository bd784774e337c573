// SPDX-License-Identifier: Apache-2.0
#include "train/generate.hpp"

#include <cstdio>
#include <fmt/core.h>
#include <unistd.h>

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
    {"threads", true, "threads, or auto"},
    {"json", false, "print one JSON object"},
};

void write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

/// One process generates: more ranks would repeat its work.
base::ExitCode generate(Invocation& invocation) {
  const PlainCall call(invocation, "generate", kFlags);
  if (call.help_shown()) return base::ExitCode::done;
  train::GenerateOptions options;
  options.max_tokens = call.count("tokens", 256);
  options.sampling.temperature = call.number("temperature", 1.0, 0.0, 1e6);
  options.sampling.top_k = call.count("top-k", 0);
  options.sampling.top_p = call.number("top-p", 1.0, 0.0, 1.0);
  options.sampling.seed = call.seed("seed", 0);
  options.stop = call.text("stop", "");
  const std::string path = call.required("checkpoint");
  const int threads = call.threads(invocation);

  const train::LoadedModel model = load_checkpoint(invocation, path);
  tensor::Device device(threads);
  model::Decoder decoder(device, model.config.model, *model.parameters,
                         train::document_end(model.config.data, *model.tokenizer));
  std::vector<std::string> prompts = call.all("prompt");
  if (prompts.empty()) prompts.emplace_back();
  json::Json results{json::Array{}};
  for (const std::string& prompt : prompts) {
    const bool as_json = call.has("json");
    if (!as_json) write(prompt);
    const train::Generation result =
        train::generate(decoder, *model.tokenizer, prompt, options, [&](std::string_view text) {
          if (as_json) return;
          write(text);
          std::fflush(stdout);
        });
    if (!as_json) write(prompts.size() > 1 ? "\n\n" : "\n");
    json::Json ids{json::Array{}};
    for (const text::TokenId id : result.new_ids) ids.push(static_cast<std::int64_t>(id));
    json::Json entry{json::Object{}};
    entry.set("prompt", prompt).set("text", result.text).set("ids", std::move(ids)).set("ended", result.ended);
    results.push(std::move(entry));
    ++options.stream;
  }
  if (call.has("json")) {
    json::Json object{json::Object{}};
    object.set("checkpoint", model.path).set("step", model.state.step).set("generations", std::move(results));
    fmt::print("{}\n", object.dump());
  }
  return base::ExitCode::done;
}

}  // namespace

base::ExitCode run_generate(Invocation& invocation) {
  return on_root(invocation, [&] { return generate(invocation); });
}

}  // namespace tessera::tools
