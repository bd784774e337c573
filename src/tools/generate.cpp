// SPDX-License-Identifier: Apache-2.0
#include "train/generate.hpp"

#include <charconv>
#include <cstdio>
#include <fmt/ranges.h>
#include <unistd.h>

#include "comm/together.hpp"
#include "config/option_values.hpp"
#include "json/json.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "train/tokens.hpp"

namespace tessera::tools {
namespace {

const std::vector<config::Flag> kFlags = {
    {"checkpoint", true, "checkpoint file, folder of checkpoints, or run folder (newest)"},
    {"prompt", true, "text to continue; may be given several times; without one a new document is begun", true},
    {"prompt-ids", true, "token ids to continue instead, as in 1,2,3; what follows are ids too, of all the model knows",
     true},
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
  for (const char* flag : {"prompt", "stop"})
    if (call.has("prompt-ids") && call.has(flag))
      base::fail_usage("--{} is a text, but --prompt-ids continues ids: drop one of the two", flag);
  call.required("checkpoint");
  return options;
}

std::vector<text::TokenId> parse_ids(const std::string& list, std::int64_t vocab) {
  std::vector<text::TokenId> ids;
  const char *at = list.data(), *const end = at + list.size();
  while (true) {
    text::TokenId id = -1;
    const auto [rest, error] = std::from_chars(at, end, id);
    if (error != std::errc{} || id < 0 || id >= vocab || (rest != end && *rest != ','))
      config::refuse("--prompt-ids", list, fmt::format("ids from 0 to {} with commas between them", vocab - 1));
    ids.push_back(id);
    if (rest == end) return ids;
    at = rest + 1;
  }
}

json::Json to_json(const std::vector<text::TokenId>& ids) {
  json::Json list{json::Array{}};
  for (const text::TokenId id : ids) list.push(static_cast<std::int64_t>(id));
  return list;
}

/// How answers are given: by the first rank, as they come or in one JSON object at the end.
struct Output {
  bool shows, as_json;
  json::Json results{json::Array{}};
};

void continue_texts(const PlainCall& call, model::Decoder& decoder, const text::Tokenizer& tokenizer,
                    train::GenerateOptions options, Output& output) {
  std::vector<std::string> prompts = call.all("prompt");
  if (prompts.empty()) prompts.emplace_back();
  const bool writes = output.shows && !output.as_json;
  for (const std::string& prompt : prompts) {
    if (writes) write(prompt);
    const train::Generation result = train::generate(decoder, tokenizer, prompt, options, [&](std::string_view text) {
      if (!writes) return;
      write(text);
      std::fflush(stdout);
    });
    if (writes) write(prompts.size() > 1 ? "\n\n" : "\n");
    json::Json entry{json::Object{}};
    entry.set("prompt", prompt).set("text", result.text).set("ids", to_json(result.new_ids)).set("ended", result.ended);
    output.results.push(std::move(entry));
    ++options.stream;
  }
}

/// Ids mean what they mean to the model: no tokenizer is asked, and no end token ends.
void continue_lists(const std::vector<std::vector<text::TokenId>>& prompts, model::Decoder& decoder,
                    train::GenerateOptions options, Output& output) {
  for (const std::vector<text::TokenId>& prompt : prompts) {
    std::vector<text::TokenId> new_ids;
    train::continue_ids(decoder, prompt, decoder.vocab(), options, [&](text::TokenId id) {
      new_ids.push_back(id);
      return true;
    });
    json::Json entry{json::Object{}};
    entry.set("prompt_ids", to_json(prompt)).set("ids", to_json(new_ids)).set("ended", "length");
    output.results.push(std::move(entry));
    new_ids.insert(new_ids.begin(), prompt.begin(), prompt.end());
    if (output.shows && !output.as_json) fmt::print("{}\n", fmt::join(new_ids, ","));
    ++options.stream;
  }
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
  std::vector<std::vector<text::TokenId>> lists;
  comm::together(mesh.all(), "prompts", [&] {
    for (const std::string& list : call.all("prompt-ids")) lists.push_back(parse_ids(list, model.config.model.vocab));
  });
  const std::unique_ptr<tensor::Device> device = make_device(mesh.all(), threads);
  tensor_parallel::TensorAxis axis(mesh.tensor(), *device, false);
  model::Decoder decoder(*device, {&axis, &mesh.pipeline()}, model.config.model, *model.parameters,
                         train::document_end(model.config.data, *model.tokenizer));
  Output output{mesh.all().rank() == 0, call.has("json")};
  if (lists.empty())
    continue_texts(call, decoder, *model.tokenizer, options, output);
  else
    continue_lists(lists, decoder, options, output);
  if (output.as_json && output.shows) {
    json::Json object{json::Object{}};
    object.set("checkpoint", model.path).set("step", model.state.step);
    object.set("generations", std::move(output.results));
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
