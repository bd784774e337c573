// SPDX-License-Identifier: Apache-2.0
#include "train/validation.hpp"

#include <fmt/core.h>

namespace tessera::train {
namespace {

Validation::Line line_of(std::int64_t step, const std::string& file, const Evaluation& result) {
  json::Json metrics{json::Object{}};
  metrics.set("step", step);
  if (file.empty())
    metrics.set("valid_loss", result.loss).set("bits_per_byte", result.bits_per_byte);
  else
    metrics.set("valid_file", file).set("file_loss", result.loss).set("file_bits_per_byte", result.bits_per_byte);
  return {metrics, fmt::format("step {}: validation loss{} {:.4f} nats a token, {}", step,
                               file.empty() ? "" : fmt::format(" of '{}'", file), result.loss, result.describe_bits())};
}

}  // namespace

Validation::Validation(Replica& replica, const RunData& data) : replica_(&replica), data_(&data) {
  document_end_ = document_end(replica.config().data, *data.first_file().tokenizer());
  for (const TokenMixture::Source& source : data.valid.sources) text_bytes_.push_back(target_text_bytes(source.range));
}

bool Validation::is_due(std::int64_t step) const {
  const config::RunConfig& run = replica_->config().run;
  if (data_->valid.sources.empty() || step == 0) return false;
  return step == run.steps || (run.eval_interval > 0 && step % run.eval_interval == 0);
}

/// Whose forwards take as long as a training step of m micro-batches on p stages: a step is about three forwards for
/// each of m + p - 1 turns, and n forwards take n + p - 1 turns.
int Validation::micro_batches_in_a_step() const {
  const config::OptimConfig& optim = replica_->config().optim;
  const comm::MeshShape& shape = replica_->mesh().shape();
  const auto in_step = static_cast<int>(optim.batch / (optim.micro_batch * shape.data));
  return 3 * in_step + 2 * (shape.pipeline - 1);
}

std::optional<std::vector<Validation::Line>> Validation::evaluate(std::int64_t step,
                                                                  const std::function<bool()>& is_abandoned) {
  const config::Config& config = replica_->config();
  const comm::Mesh& mesh = replica_->mesh();
  EvaluationSettings settings{config.model.context,
                              config.optim.micro_batch,
                              document_end_,
                              model::schedule_of(config, mesh.shape().pipeline, 1),
                              micro_batches_in_a_step(),
                              is_abandoned};
  std::vector<Evaluation> parts;
  for (std::size_t i = 0; i < data_->valid.sources.size(); ++i) {
    if (i > 0 && is_abandoned()) return {};
    const std::optional<Evaluation> part = train::evaluate(mesh, replica_->runner(), replica_->stage(),
                                                           data_->valid.sources[i].range, settings, text_bytes_[i]);
    if (!part) return {};
    parts.push_back(*part);
  }
  const Evaluation whole = combine(parts, data_->valid);
  require_finite(whole, fmt::format("step {}: ", step));
  std::vector<Line> lines;
  for (std::size_t i = 0; parts.size() > 1 && i < parts.size(); ++i)
    lines.push_back(line_of(step, data_->valid.sources[i].range.file->path(), parts[i]));
  lines.push_back(line_of(step, "", whole));
  return lines;
}

}  // namespace tessera::train
