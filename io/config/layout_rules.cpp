// SPDX-License-Identifier: Apache-2.0
#include "config/layout_rules.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

#include "config/remedies.hpp"

namespace tessera::config {
namespace {

/// Stretches of layers a rank holds; a number given without interleaved is refused on its own.
std::int64_t stretches(const ParallelConfig& parallel) {
  return parallel.pipeline_schedule == "interleaved" ? parallel.virtual_stages : 1;
}

/// Tensor ranks that model and [parallel] allow, whatever the ranks of the job.
Bounds tensor_bounds(const Config& config) {
  const ModelConfig& model = config.model;
  return {config.parallel.sequence ? 2 : 1, model.vocab > 0 ? std::min(model.heads, model.vocab) : model.heads};
}

Bounds pipeline_bounds(const Config& config) {
  return {config.parallel.pipeline_schedule == "interleaved" ? 2 : 1, config.model.layers / stretches(config.parallel)};
}

/// What remedies that change one axis have to say of parallel.data, where it is given.
std::string with_free_data(const Config& config) {
  return config.parallel.data == "auto" ? "" : " with parallel.data = auto";
}

/// "use tensor 4", the nearest of `bounds` that shares out the job: for a model too small for parallel.tensor.
std::string use_tensor(const Config& config, std::int64_t ranks) {
  const std::int64_t pipeline = config.parallel.pipeline;
  const std::string near =
      divisors_near(ranks % pipeline == 0 ? ranks / pipeline : ranks, config.parallel.tensor, tensor_bounds(config));
  return near.empty() ? "" : fmt::format("use parallel.tensor = {}{}, or ", near, with_free_data(config));
}

/// The possible pair that is nearest by ratio: "tensor 2 x pipeline 4".
std::string nearest_pair(const Config& config, std::int64_t ranks) {
  const auto distance = [](std::int64_t one, std::int64_t other) {
    return std::abs(std::log(static_cast<double>(one) / static_cast<double>(other)));
  };
  const Bounds tensors = tensor_bounds(config), pipelines = pipeline_bounds(config);
  double least = std::numeric_limits<double>::infinity();
  std::string nearest;
  for (const std::int64_t tensor : divisors(ranks))
    for (const std::int64_t pipeline : divisors(ranks / tensor)) {
      const double far = distance(tensor, config.parallel.tensor) + distance(pipeline, config.parallel.pipeline);
      if (!tensors.contain(tensor) || !pipelines.contain(pipeline) || far >= least) continue;
      least = far;
      nearest = fmt::format("tensor {} x pipeline {}", tensor, pipeline);
    }
  return nearest;
}

/// Changes of tensor or pipeline with which they share out the job: "tensor 2 or 4, or "; "" if there is none.
std::string possible_layouts(const Config& config, std::int64_t ranks) {
  const std::int64_t tensor = config.parallel.tensor, pipeline = config.parallel.pipeline;
  std::string text;
  const auto add = [&](const std::string& axis, const std::string& values) {
    if (!values.empty()) text += axis + values + ", or ";
  };
  if (ranks % pipeline == 0) add("tensor ", divisors_near(ranks / pipeline, tensor, tensor_bounds(config)));
  if (ranks % tensor == 0) add("pipeline ", divisors_near(ranks / tensor, pipeline, pipeline_bounds(config)));
  if (text.empty()) add("", nearest_pair(config, ranks));
  return text;
}

void check_product(const Config& config, std::int64_t ranks, std::vector<Problem>& problems) {
  const ParallelConfig& parallel = config.parallel;
  const std::int64_t cut = parallel.tensor * parallel.pipeline;
  const bool possible = ranks % cut == 0;
  const std::string layouts = possible ? "" : possible_layouts(config, ranks);
  if (parallel.data != "auto") {
    const std::int64_t product = std::stoll(parallel.data) * cut;
    if (product == ranks) return;
    const std::string remedy = possible          ? fmt::format("use parallel.data = {} or auto, or ", ranks / cut)
                               : layouts.empty() ? ""
                                                 : "use parallel.data = auto and " + layouts;
    problems.push_back({"parallel.data", fmt::format("parallel.data = {} x parallel.tensor = {} x parallel.pipeline = "
                                                     "{} takes {}, but the job has {}: {}start {}",
                                                     parallel.data, parallel.tensor, parallel.pipeline,
                                                     ranks_text(product), ranks, remedy, ranks_text(product))});
    return;
  }
  if (possible) return;
  const std::string tensor = fmt::format("parallel.tensor = {}", parallel.tensor),
                    pipeline = fmt::format("parallel.pipeline = {}", parallel.pipeline);
  const bool by_tensor = parallel.tensor > 1;
  problems.push_back({by_tensor ? "parallel.tensor" : "parallel.pipeline",
                      fmt::format("{} x {} cannot share out {}: {}{}start {} ranks", by_tensor ? tensor : pipeline,
                                  by_tensor ? pipeline : tensor, ranks_text(ranks), layouts.empty() ? "" : "use ",
                                  layouts, multiples_near(ranks, cut))});
}

void check_tensor(const Config& config, std::int64_t ranks, std::vector<Problem>& problems) {
  const ModelConfig& model = config.model;
  const std::int64_t tensor = config.parallel.tensor;
  if (model.heads < tensor)
    problems.push_back({"parallel.tensor", fmt::format("parallel.tensor = {} leaves ranks without one of model.heads = "
                                                       "{}: {}at least {} heads",
                                                       tensor, model.heads, use_tensor(config, ranks), tensor)});
  if (model.vocab > 0 && model.vocab < tensor)
    problems.push_back({"parallel.tensor", fmt::format("parallel.tensor = {} leaves ranks without a token of "
                                                       "model.vocab = {}: {}a larger vocabulary",
                                                       tensor, model.vocab, use_tensor(config, ranks))});
  if (config.parallel.sequence && tensor == 1)
    problems.push_back({"parallel.sequence",
                        "parallel.sequence = true has no use with parallel.tensor = 1: drop it, or use tensor 2 or "
                        "more"});
}

void check_layers(const Config& config, std::int64_t ranks, std::vector<Problem>& problems) {
  const ParallelConfig& parallel = config.parallel;
  const std::int64_t layers = config.model.layers, pipeline = parallel.pipeline, virtual_stages = stretches(parallel);
  constexpr std::int64_t kMostParts = 4096;  // that messages between stages can tell apart
  if (pipeline * virtual_stages > kMostParts)
    problems.push_back(
        {"parallel.pipeline",
         fmt::format("parallel.pipeline = {} x parallel.virtual_stages = {} cut the model into more than "
                     "{} parts: use fewer",
                     pipeline, virtual_stages, kMostParts)});
  if (layers >= pipeline * virtual_stages) return;
  std::string remedy;
  const std::string near =
      divisors_near(ranks % parallel.tensor == 0 ? ranks / parallel.tensor : ranks, pipeline, pipeline_bounds(config));
  if (!near.empty()) remedy = fmt::format("use parallel.pipeline = {}{}, or ", near, with_free_data(config));
  if (virtual_stages > 2 && layers / pipeline >= 2)
    remedy += fmt::format("parallel.virtual_stages = {}, or ", layers / pipeline);
  const std::string stages = virtual_stages == 1 ? "" : fmt::format(" x parallel.virtual_stages = {}", virtual_stages);
  problems.push_back({"parallel.pipeline",
                      fmt::format("parallel.pipeline = {}{} leaves stages without one of model.layers = {}: {}at least "
                                  "{} layers",
                                  pipeline, stages, layers, remedy, pipeline * virtual_stages)});
}

void check_schedule(const ParallelConfig& parallel, std::vector<Problem>& problems) {
  const std::string& schedule = parallel.pipeline_schedule;
  if (schedule != "interleaved") {
    if (parallel.virtual_stages > 1)
      problems.push_back({"parallel.virtual_stages",
                          fmt::format("parallel.virtual_stages = {} has no use with parallel.pipeline_schedule = {}: "
                                      "drop it, or use interleaved",
                                      parallel.virtual_stages, schedule)});
    return;
  }
  if (parallel.pipeline == 1)
    problems.push_back({"parallel.pipeline_schedule",
                        "parallel.pipeline_schedule = interleaved has no use with parallel.pipeline = 1: drop it and "
                        "parallel.virtual_stages, or use pipeline 2 or more"});
  else if (parallel.virtual_stages == 1)
    problems.push_back({"parallel.virtual_stages",
                        "parallel.virtual_stages = 1, but parallel.pipeline_schedule = interleaved needs 2 or more "
                        "stretches of layers a rank: use 2, or 1f1b"});
}

void check_gradients(const ParallelConfig& parallel, std::vector<Problem>& problems) {
  if (parallel.zero == 2 && parallel.pipeline > 1)
    problems.push_back(
        {"parallel.zero", fmt::format("parallel.zero = 2 sums gradients over data ranks after every micro-batch, which "
                                      "parallel.pipeline = {} leaves no room for: use parallel.zero = 1",
                                      parallel.pipeline)});
  if (parallel.wire == "bf16" && parallel.reduce == "mpi")
    problems.push_back({"parallel.wire",
                        "parallel.wire = bf16 cannot go with parallel.reduce = mpi, as MPI has no sum of bf16: use "
                        "parallel.reduce = ordered, or parallel.wire = fp32"});
}

/// Every batch is a multiple of the first: what holds for that one holds for all.
void check_batch(const Config& config, std::int64_t ranks, std::vector<Problem>& problems) {
  const ParallelConfig& parallel = config.parallel;
  const std::int64_t cut = parallel.tensor * parallel.pipeline, micro = config.optim.micro_batch;
  if (config.optim.batch == 0 || ranks % cut != 0) return;
  const std::int64_t first = config.optim.first_batch(), data = ranks / cut, share = first / data;
  const std::int64_t round = parallel.pipeline_schedule == "interleaved" ? parallel.pipeline : 1;
  const std::string key = config.optim.batch_start > 0 ? "optim.batch_start" : "optim.batch";
  if (first % data != 0)
    problems.push_back({key, fmt::format("{} = {} must divide by the {} data ranks: use {}", key, first, data,
                                         multiples_near(first, data * round))});
  else if (share % round != 0)
    problems.push_back(
        {key,
         fmt::format("{} = {} gives a data rank {} sequence(s), but parallel.pipeline_schedule = interleaved needs "
                     "micro-batches in multiples of parallel.pipeline = {}: use {}, or 1f1b",
                     key, first, share, round, multiples_near(first, data * round))});
  else if (micro > 0 && share % micro != 0)
    problems.push_back(
        {"optim.micro_batch",
         fmt::format("optim.micro_batch = {} must divide a data rank's share of {}, {} / {} = {}: use {}", micro, key,
                     first, data, share, divisors_near(share / round, std::min(micro, share / round)))});
  else if (micro > 0 && share / micro % round != 0)
    problems.push_back(
        {"optim.micro_batch",
         fmt::format(
             "optim.micro_batch = {} cuts a data rank's share of {}, {} / {} = {}, into {} micro-batch(es), but "
             "parallel.pipeline_schedule = interleaved needs a multiple of parallel.pipeline = {}: use {}, or "
             "1f1b",
             micro, key, first, data, share, share / micro, round, divisors_near(share / round, micro))});
}

}  // namespace

void check_layout(const Config& config, int ranks, std::vector<Problem>& problems) {
  check_product(config, ranks, problems);
  check_tensor(config, ranks, problems);
  check_layers(config, ranks, problems);
  check_schedule(config.parallel, problems);
  check_gradients(config.parallel, problems);
  check_batch(config, ranks, problems);
}

}  // namespace tessera::config
