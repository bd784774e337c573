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

namespace {

/// The windows that one data rank evaluates, as micro-batches.
class Windows {
 public:
  Windows(const TokenRange& range, const EvaluationSettings& settings, int data_rank, int data_ranks)
      : range_(range),
        settings_(settings),
        data_rank_(data_rank),
        data_ranks_(data_ranks),
        num_windows_(data::num_windows(range.num_tokens(), settings.context)) {
    const auto size = static_cast<std::size_t>(settings.max_batch * settings.context);
    tokens_.resize(size);
    targets_.resize(size);
    starts_.resize(settings.document_end >= 0 ? size : 0);
  }

  std::int64_t first(int micro) const { return settings_.max_batch * (data_rank_ + std::int64_t{micro} * data_ranks_); }
  std::int64_t batch(int micro) const { return std::min(settings_.max_batch, num_windows_ - first(micro)); }
  std::int64_t rows(int micro) const { return batch(micro) * settings_.context; }
  int num_micro() const { return num_micro_of(data_rank_); }
  /// Rank 0 has the most, as the first of each turn.
  int most_micro() const { return num_micro_of(0); }

  model::MicroBatch load(int micro) {
    const std::int64_t context = settings_.context;
    for (std::int64_t b = 0; b < batch(micro); ++b) {
      const std::int64_t at = b * context;
      data::fill_window(*range_.file, range_.first, range_.last, context, first(micro) + b, tokens_.data() + at,
                        targets_.data() + at);
      if (!starts_.empty())
        data::document_starts(tokens_.data() + at, context, settings_.document_end, starts_.data() + at);
    }
    const tensor::Shape shape{batch(micro), context};
    return {{tokens_.data(), shape},
            {targets_.data(), shape},
            {},
            starts_.empty() ? tensor::View{} : tensor::View(starts_.data(), shape)};
  }

 private:
  int num_micro_of(std::int64_t data_rank) const {
    const std::int64_t left = num_windows_ - settings_.max_batch * data_rank;
    const std::int64_t stride = settings_.max_batch * data_ranks_;
    return static_cast<int>(left <= 0 ? 0 : (left + stride - 1) / stride);
  }

  const TokenRange& range_;
  const EvaluationSettings& settings_;
  std::int64_t data_rank_, data_ranks_, num_windows_;
  std::vector<std::int32_t> tokens_, targets_, starts_;
};

/// Forwards of this rank's micro-batches [first, first + count).
void run_forwards(const comm::Mesh& mesh, pipeline::Runner& runner, model::ModelStage& stage,
                  pipeline::Schedule schedule, int first, int count) {
  if (count <= 0) return;
  schedule.micro_batches = count;
  std::vector<pipeline::Action> actions = pipeline::forward_actions(schedule, mesh.at().pipeline);
  for (pipeline::Action& action : actions) action.micro += first;
  runner.run(stage, actions);
}

}  // namespace

std::optional<Evaluation> evaluate(const comm::Mesh& mesh, pipeline::Runner& runner, model::ModelStage& stage,
                                   const TokenRange& range, const EvaluationSettings& settings,
                                   std::uint64_t text_bytes) {
  Windows windows(range, settings, mesh.at().data, mesh.shape().data);
  model::ModelStage::Work work;
  work.load = [&](int micro) { return windows.load(micro); };
  work.rows = [&](int micro) { return windows.rows(micro); };
  stage.begin(std::move(work));
  const int all = windows.most_micro(), between = settings.micro_batches_between_polls;
  const int at_a_time = between > 0 ? between : all;
  for (int first = 0; first < all; first += at_a_time) {  // as often on every rank
    if (first > 0 && settings.is_abandoned()) return {};
    run_forwards(mesh, runner, stage, settings.schedule, first, std::min(at_a_time, windows.num_micro() - first));
  }
  Evaluation result;
  result.num_targets = range.num_tokens() - 1;
  result.text_bytes = text_bytes;
  const double total = mesh.all().sum(mesh.at().tensor == 0 ? stage.loss() : 0.0, "loss of the evaluation");
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
