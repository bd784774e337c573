// SPDX-License-Identifier: Apache-2.0
#include "train/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <numbers>

#include "base/error.hpp"
#include "data/document_starts.hpp"
#include "data/windows.hpp"

namespace tessera::train {

double Evaluation::perplexity() const {
  return std::exp(loss);
}

std::string Evaluation::describe_bits() const {
  return bits_per_byte ? fmt::format("{:.4f} bits a byte", *bits_per_byte) : "no byte of text";
}

void require_finite(const Evaluation& evaluation, const std::string& where) {
  if (std::isfinite(evaluation.loss)) return;
  throw base::SharedError(fmt::format("{}the loss of the evaluation is not finite ({}): the weights have diverged. "
                                      "Use an older checkpoint",
                                      where, evaluation.loss),
                          base::ExitCode::diverged);
}

std::uint64_t target_text_bytes(const TokenRange& range) {
  constexpr std::int64_t kChunk = 1 << 16;
  const auto tokenizer = range.file->tokenizer();
  std::vector<std::int32_t> ids(static_cast<std::size_t>(kChunk));
  std::uint64_t bytes = 0;
  for (std::int64_t at = range.first + 1; at < range.last; at += kChunk) {
    const std::int64_t count = std::min(kChunk, range.last - at);
    range.file->read(at, count, ids.data());
    bytes += tokenizer->decode(ids.data(), static_cast<std::size_t>(count)).size();
  }
  return bytes;
}

Evaluation evaluate(const comm::Communicator& ranks, model::GptStage& stage, const TokenRange& range,
                    const EvaluationSettings& settings, std::uint64_t text_bytes) {
  const auto [context, max_batch, end] = settings;
  const std::int64_t num_windows = data::num_windows(range.num_tokens(), context);
  const auto size = static_cast<std::size_t>(max_batch * context);
  std::vector<std::int32_t> tokens(size), targets(size), starts(end >= 0 ? size : 0);
  double loss = 0;
  const std::int64_t stride = max_batch * ranks.size();
  for (std::int64_t first = max_batch * ranks.rank(); first < num_windows; first += stride) {
    const std::int64_t batch = std::min(max_batch, num_windows - first);
    for (std::int64_t b = 0; b < batch; ++b) {
      const std::int64_t at = b * context;
      data::fill_window(*range.file, range.first, range.last, context, first + b, tokens.data() + at,
                        targets.data() + at);
      if (end >= 0) data::document_starts(tokens.data() + at, context, end, starts.data() + at);
    }
    const tensor::Shape shape{batch, context};
    const tensor::View mask = end >= 0 ? tensor::View(starts.data(), shape) : tensor::View{};
    loss += stage.forward({{tokens.data(), shape}, {targets.data(), shape}, {}, mask}, {}, 0.0f);
  }
  Evaluation result;
  result.num_targets = range.num_tokens() - 1;
  result.text_bytes = text_bytes;
  const double total = ranks.sum(loss, "loss of the evaluation");
  result.loss = total / static_cast<double>(result.num_targets);
  if (text_bytes > 0) result.bits_per_byte = total / std::numbers::ln2 / static_cast<double>(text_bytes);
  return result;
}

Evaluation combine(const std::vector<Evaluation>& parts, const TokenMixture& mixture) {
  if (parts.size() == 1) return parts.front();
  Evaluation whole;
  double shares = 0, loss = 0, bytes_per_token = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto num_targets = static_cast<double>(parts[i].num_targets);
    const double weight = mixture.sources[i].weight, share = weight > 0 ? weight : num_targets;
    shares += share;
    loss += share * parts[i].loss;
    bytes_per_token += share * static_cast<double>(parts[i].text_bytes) / num_targets;
    whole.num_targets += parts[i].num_targets;
    whole.text_bytes += parts[i].text_bytes;
  }
  whole.loss = loss / shares;
  if (bytes_per_token > 0) whole.bits_per_byte = loss / std::numbers::ln2 / bytes_per_token;
  return whole;
}

}  // namespace tessera::train
