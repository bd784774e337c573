// SPDX-License-Identifier: Apache-2.0
#include "train/parity.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "train/train_step.hpp"

namespace tessera::train {
namespace {

/// The gradient of a key bias is zero mathematically (softmax does not see a shift of all scores): only its rounding is
/// left, so it is held against an absolute floor instead of its own size.
double gradient_floor(const std::string& name) {
  return name.ends_with("attention.key.bias") ? 1e-4 : 1e-300;
}

std::vector<float> copy(const tensor::View& view) {
  const auto values = view.span<float>();
  return {values.begin(), values.end()};
}

double relative_l2(const std::vector<float>& a, const std::vector<float>& b, double floor) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference) / std::max(std::sqrt(size), floor);
}

double relative(double a, double b) {
  return std::abs(a - b) / std::max(std::abs(b), 1e-300);
}

std::vector<std::uint64_t> all_samples(const comm::Communicator& ranks, const BatchSource& batches,
                                       std::int64_t steps) {
  std::vector<std::uint64_t> mine;
  for (std::int64_t step = 0; step < steps; ++step)
    for (std::int64_t micro = 0; micro < batches.num_micro_batches(step); ++micro)
      for (const std::uint64_t sample : batches.sample_indices(step, micro)) mine.push_back(sample);
  std::vector<std::uint64_t> all(mine.size() * static_cast<std::size_t>(ranks.size()));
  ranks.all_gather<std::uint64_t>(mine, all, "samples of all ranks");
  std::sort(all.begin(), all.end());
  return all;
}

/// True if the weights of all ranks have the bits of rank 0's.
bool equal_on_all_ranks(const comm::Communicator& ranks, const std::vector<std::vector<float>>& weights) {
  double differing = 0;
  for (const std::vector<float>& mine : weights) {
    std::vector<float> first = mine;
    ranks.broadcast<float>(first, 0, "weights of rank 0");
    if (std::memcmp(first.data(), mine.data(), mine.size() * sizeof(float)) != 0) differing = 1;
  }
  return ranks.sum(differing, "ranks with other weights") == 0;
}

}  // namespace

ParityRecord record_run(const comm::Communicator& ranks, tensor::Device& device, const config::Config& config,
                        const TokenMixture& tokens) {
  Replica replica(ranks, device, config, tokens);
  ParityRecord record;
  for (const model::Parameter& p : replica.parameters().all()) {
    record.names.push_back(p.spec.name);
    record.initial_weights.push_back(copy(p.master));
  }
  std::int64_t updates = 0;
  for (std::int64_t step = 1; step <= config.run.steps; ++step) {
    const StepReport report = train_step(replica, step, updates, false);
    record.losses.push_back(report.loss);
    record.grad_norms.push_back(report.grad_norm);
    record.sum_of_lr += report.lr;
    if (step == 1)
      for (const model::Parameter& p : replica.parameters().all()) record.first_gradients.push_back(copy(p.gradient));
  }
  for (const model::Parameter& p : replica.parameters().all()) record.weights.push_back(copy(p.master));
  record.ranks_equal = equal_on_all_ranks(ranks, record.weights);
  record.samples = all_samples(ranks, replica.batches(), config.run.steps);
  return record;
}

bool ParityResult::passed() const {
  // Written so that a NaN fails.
  return initial_equal && samples_equal && ranks_equal && gradient <= ParityBounds::gradient &&
         grad_norm <= ParityBounds::grad_norm && loss <= ParityBounds::loss && weight <= ParityBounds::weight;
}

ParityResult compare(const ParityRecord& layout, const ParityRecord& one_process) {
  ParityResult result;
  const auto worst = [](double& most, double value) {
    const bool larger = !(value <= most);  // a NaN counts as larger
    if (larger) most = value;
    return larger;
  };
  result.initial_equal = layout.initial_weights == one_process.initial_weights;
  result.ranks_equal = layout.ranks_equal;
  result.samples_equal = layout.samples == one_process.samples;
  for (std::size_t i = 0; i < layout.names.size(); ++i) {
    if (worst(result.gradient,
              relative_l2(layout.first_gradients[i], one_process.first_gradients[i], gradient_floor(layout.names[i]))))
      result.gradient_name = layout.names[i];
    for (std::size_t e = 0; e < layout.weights[i].size(); ++e)
      worst(result.weight,
            std::abs(static_cast<double>(layout.weights[i][e]) - static_cast<double>(one_process.weights[i][e])) /
                one_process.sum_of_lr);
  }
  for (std::size_t step = 0; step < layout.losses.size(); ++step) {
    worst(result.loss, relative(layout.losses[step], one_process.losses[step]));
    worst(result.grad_norm, relative(layout.grad_norms[step], one_process.grad_norms[step]));
  }
  result.bit_equal = layout.weights == one_process.weights && layout.losses == one_process.losses;
  return result;
}

config::Config parity_config(std::int64_t vocab, std::int64_t batch, double clip_norm) {
  config::Config config;
  config.run.seed = 7;
  config.run.steps = 20;
  config.model.layers = 2;
  config.model.hidden = 48;
  config.model.heads = 3;
  config.model.context = 24;
  config.model.vocab = vocab;
  config.model.dropout = 0.1;
  config.optim.lr = 1e-3;
  config.optim.min_lr = 1e-4;
  config.optim.warmup = 4;
  config.optim.epsilon = 1e-5;
  config.optim.clip_norm = clip_norm;
  config.optim.batch = batch;
  config.optim.micro_batch = 1;
  config.parallel.bucket_bytes = 16 << 10;  // several buckets even for a tiny model
  return config;
}

}  // namespace tessera::train
