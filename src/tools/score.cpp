// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <numeric>

#include "comm/together.hpp"
#include "json/json.hpp"
#include "model/decoder.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/text_input.hpp"
#include "train/generate.hpp"
#include "train/tokens.hpp"

namespace tessera::tools {
namespace {

const std::vector<config::Flag> kFlags = {
    {"checkpoint", true, "checkpoint file, folder of checkpoints, or run folder (newest)"},
    {"next", true, "also list the N most likely tokens after the text"},
    {"tensor", true, "ranks over which each layer is cut (1)"},
    {"pipeline", true, "ranks over which the layers are dealt out (1)"},
    {"threads", true, "threads, or auto"},
    {"json", false, "print one JSON object"},
};

struct ScoredToken {
  text::TokenId id;
  double log_probability;  // nats
};

double log_sum_exp(std::span<const float> logits) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
  return most + std::log(sum);
}

/// Log-probability of every token given those before it; the first follows an end token, as a document does in
/// training. Past the context the older half is forgotten, as in generation.
std::vector<ScoredToken> score(model::Decoder& decoder, const text::Tokenizer& tokenizer,
                               const std::vector<text::TokenId>& ids, std::vector<float>& last_logits) {
  std::vector<text::TokenId> all{tokenizer.end_token()};
  all.insert(all.end(), ids.begin(), ids.end());
  std::vector<ScoredToken> scored;
  std::size_t num_new = 1;
  for (std::size_t at = 0; at < all.size(); ++at) {
    if (decoder.length() == decoder.context()) {
      decoder.reset();
      num_new = static_cast<std::size_t>(std::max<std::int64_t>(1, decoder.context() / 2));
    }
    const std::span<const float> logits = decoder.feed(std::span(all).subspan(at + 1 - num_new, num_new));
    num_new = 1;
    if (at + 1 < all.size())
      scored.push_back(
          {all[at + 1], static_cast<double>(logits[static_cast<std::size_t>(all[at + 1])]) - log_sum_exp(logits)});
    else
      last_logits.assign(logits.begin(), logits.end());
  }
  return scored;
}

std::vector<ScoredToken> most_likely(const std::vector<float>& logits, const text::Tokenizer& tokenizer,
                                     std::int64_t count) {
  std::vector<text::TokenId> order(train::known_to(tokenizer, logits).size());
  std::iota(order.begin(), order.end(), 0);
  const auto kept = std::min<std::size_t>(static_cast<std::size_t>(count), order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(), [&](auto a, auto b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  });
  const double total = log_sum_exp(logits);
  std::vector<ScoredToken> result;
  for (std::size_t i = 0; i < kept; ++i)
    result.push_back({order[i], static_cast<double>(logits[static_cast<std::size_t>(order[i])]) - total});
  return result;
}

json::Json to_json(const std::vector<ScoredToken>& tokens, const text::Tokenizer& tokenizer) {
  json::Json list{json::Array{}};
  for (const ScoredToken& token : tokens) {
    json::Json entry{json::Object{}};
    entry.set("id", static_cast<std::int64_t>(token.id)).set("text", tokenizer.decode(&token.id, 1));
    entry.set("log_probability", token.log_probability);
    list.push(std::move(entry));
  }
  return list;
}

void print_tokens(const std::vector<ScoredToken>& tokens, const text::Tokenizer& tokenizer) {
  for (const ScoredToken& token : tokens)
    fmt::print("{:>10.5f}  {:>6}  {}\n", token.log_probability, token.id,
               json::Json(tokenizer.decode(&token.id, 1)).dump());
}

base::ExitCode score_file(const Invocation& invocation, const PlainCall& call, const comm::Mesh& mesh) {
  int threads = 1;
  std::string text;
  std::int64_t num_next = 0;
  comm::together(mesh.all(), "text", [&] {
    if (call.positional().size() != 1) base::fail_usage("tessera score needs one text file ('-' = standard input)");
    call.required("checkpoint");
    num_next = call.count("next", 0);
    threads = call.threads(invocation);
  });
  const train::LoadedModel model = load_checkpoint(mesh, call.text("checkpoint", ""));
  comm::together(mesh.all(), "text to score", [&] {
    if (mesh.all().rank() == 0) text = read_text(call.positional().front());  // others may not reach it
  });
  text = mesh.all().broadcast_text(text, 0, "text to score");
  const std::unique_ptr<tensor::Device> device = make_device(mesh.all(), threads);
  tensor_parallel::TensorAxis axis(mesh.tensor(), *device, false);
  model::Decoder decoder(*device, {&axis, &mesh.pipeline()}, model.config.model, *model.parameters,
                         train::document_end(model.config.data, *model.tokenizer));

  // Lines are scored within the whole text: a line's figure is the sum over its tokens.
  const std::vector<text::TokenId> ids = model.tokenizer->encode(text);
  std::vector<float> last_logits;
  const std::vector<ScoredToken> scored = score(decoder, *model.tokenizer, ids, last_logits);
  std::vector<double> lines(1, 0.0);
  double total = 0;
  bool line_ended = false;
  for (const ScoredToken& token : scored) {
    if (std::exchange(line_ended, false)) lines.push_back(0.0);
    lines.back() += token.log_probability;
    total += token.log_probability;
    line_ended = model.tokenizer->decode(&token.id, 1).find('\n') != std::string::npos;
  }
  if (mesh.all().rank() != 0) return base::ExitCode::done;
  const std::vector<ScoredToken> next = most_likely(last_logits, *model.tokenizer, num_next);
  if (call.has("json")) {
    json::Json line_list{json::Array{}};
    for (const double line : lines) line_list.push(line);
    json::Json object{json::Object{}};
    object.set("checkpoint", model.path).set("tokens", to_json(scored, *model.tokenizer));
    object.set("lines", std::move(line_list)).set("log_probability", total);
    if (num_next > 0) object.set("next", to_json(next, *model.tokenizer));
    fmt::print("{}\n", object.dump());
    return base::ExitCode::done;
  }
  print_tokens(scored, *model.tokenizer);
  for (std::size_t line = 0; line < lines.size(); ++line) fmt::print("line {}: {:.5f}\n", line + 1, lines[line]);
  fmt::print("total: {:.5f} nats over {} tokens\n", total, scored.size());
  if (num_next > 0) fmt::print("most likely next tokens:\n");
  print_tokens(next, *model.tokenizer);
  return base::ExitCode::done;
}

}  // namespace

base::ExitCode run_score(Invocation& invocation) {
  const PlainCall call = shared_call(invocation, "score --checkpoint P FILE", kFlags, 1);
  if (call.help_shown()) return base::ExitCode::done;
  const std::optional<comm::Mesh> mesh = make_model_mesh(invocation.world, call, DataRanks::one);
  return on_mesh(invocation, mesh, [&](const comm::Mesh& of) { return score_file(invocation, call, of); });
}

}  // namespace tessera::tools
