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

/// Samples of all data ranks, sorted.
std::vector<std::uint64_t> all_samples(const comm::Mesh& mesh, const BatchSource& batches, std::int64_t steps) {
  std::vector<std::uint64_t> mine;
  for (std::int64_t step = 0; step < steps; ++step)
    for (std::int64_t micro = 0; micro < batches.num_micro_batches(step); ++micro)
      for (const std::uint64_t sample : batches.sample_indices(step, micro)) mine.push_back(sample);
  std::vector<std::uint64_t> all(mine.size() * static_cast<std::size_t>(mesh.data().size()));
  mesh.data().all_gather<std::uint64_t>(mine, all, "samples of all ranks");
  std::sort(all.begin(), all.end());
  return all;
}

/// Calls visit(element of the tile, element of the global tensor, elements) for each row of a tile.
template <class Visit>
void for_each_row(const tensor::Tile& tile, Visit visit) {
  const bool is_matrix = tile.extent.num_dims() > 1;
  const std::int64_t columns = is_matrix ? tile.extent[1] : 1, step = is_matrix ? tile.global_shape[1] : 1;
  const std::int64_t first_column = is_matrix ? tile.offset[1] : 0;
  for (std::int64_t row = 0; row < tile.extent[0]; ++row)
    visit(row * columns, (tile.offset[0] + row) * step + first_column, columns);
}

/// Global tensors from the counted tiles of all ranks. `view_of` a parameter: f32, of its owned tile.
std::vector<std::vector<float>> assemble(const Replica& replica, tensor::View (*view_of)(const model::Parameter&)) {
  const comm::Communicator& all = replica.mesh().all();
  std::vector<std::vector<float>> tensors;
  for (const model::ParameterSpec& spec : model::parameter_specs(replica.config().model))
    tensors.emplace_back(static_cast<std::size_t>(spec.shape.num_elements()));
  for (const model::Parameter& p : replica.parameters().all()) {
    if (!p.counted) continue;
    std::vector<float>& tensor = tensors[static_cast<std::size_t>(p.rotation)];
    const float* from = view_of(p).as<float>();
    for_each_row(p.owned(), [&](std::int64_t local, std::int64_t global, std::int64_t count) {
      std::copy_n(from + local, count, tensor.begin() + global);
    });
  }
  for (std::vector<float>& tensor : tensors) {  // each element is counted once: the others add zeros
    std::vector<float> of_ranks(tensor.size() * static_cast<std::size_t>(all.size()));
    all.all_gather<float>(tensor, of_ranks, "tensors of all ranks");
    for (std::size_t i = 0; i < tensor.size(); ++i)
      for (std::size_t rank = 0; rank < static_cast<std::size_t>(all.size()); ++rank) {
        const float value = of_ranks[rank * tensor.size() + i];
        if (value != 0 || std::isnan(value)) tensor[i] = value;
      }
  }
  return tensors;
}

/// True if whatever each rank holds of the weights has the bits of the global tensors.
bool copies_equal(const Replica& replica, const std::vector<std::vector<float>>& tensors) {
  double differing = 0;
  for (const model::Parameter& p : replica.parameters().all()) {
    if (p.rounded()) continue;  // copies of a bf16 run are rounded
    for_each_row(p.tile, [&](std::int64_t local, std::int64_t global, std::int64_t count) {
      const float* expected = tensors[static_cast<std::size_t>(p.rotation)].data() + global;
      if (std::memcmp(p.weight.as<float>() + local, expected, static_cast<std::size_t>(count) * sizeof(float)) != 0)
        differing = 1;
    });
  }
  return replica.mesh().all().sum(differing, "ranks with other weights") == 0;
}

}  // namespace

namespace {

/// Of every rank, by place: what it holds, and what it sent over the axes since `before`.
std::vector<RankBytes> measured_bytes(const Replica& replica, const RankBytes& before) {
  const comm::Mesh& mesh = replica.mesh();
  const RankBytes mine{replica.parameters().weight_bytes(),
                       replica.parameters().gradient_bytes(),
                       replica.optimizer().moment_bytes(),
                       mesh.data().bytes_sent() - before.data_axis,
                       mesh.tensor().bytes_sent() - before.tensor_axis,
                       mesh.pipeline().bytes_sent() - before.pipeline_axis,
                       replica.sync().ranks_per_node()};
  std::vector<RankBytes> all(static_cast<std::size_t>(mesh.all().size()));
  mesh.all().all_gather<RankBytes>({&mine, 1}, all, "bytes of all ranks");
  return all;
}

}  // namespace

ParityRecord record_run(const comm::Mesh& mesh, tensor::Device& device, const config::Config& config,
                        const TokenMixture& tokens, base::Fault fault) {
  Replica replica(mesh, device, config, tokens, fault);
  const auto master = [](const model::Parameter& p) { return p.master; };
  const auto gradient = [](const model::Parameter& p) { return p.owned_gradient(); };
  ParityRecord record;
  for (const model::ParameterSpec& spec : model::parameter_specs(config.model)) record.names.push_back(spec.name);
  record.initial_weights = assemble(replica, master);
  std::int64_t updates = 0;
  for (std::int64_t step = 1; step <= config.run.steps; ++step) {
    const RankBytes before{0, 0, 0, mesh.data().bytes_sent(), mesh.tensor().bytes_sent(), mesh.pipeline().bytes_sent()};
    const StepReport report = train_step(replica, step, updates);
    if (step == config.run.steps) record.bytes = measured_bytes(replica, before);
    record.losses.push_back(report.loss);
    record.grad_norms.push_back(report.grad_norm);
    record.sum_of_lr += report.lr;
    if (step == 1) record.first_gradients = assemble(replica, gradient);
  }
  record.weights = assemble(replica, master);
  record.ranks_equal = copies_equal(replica, record.weights);
  record.samples = all_samples(mesh, replica.batches(), config.run.steps);
  return record;
}

bool ParityResult::passed(const ParityBounds& bounds) const {
  // Written so that a NaN fails.
  return initial_equal && samples_equal && ranks_equal && gradient <= bounds.gradient &&
         grad_norm <= bounds.grad_norm && loss <= bounds.loss && weight <= bounds.weight;
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

config::Config parity_config() {
  config::Config config;
  config.run.seed = 7;
  config.run.steps = 20;
  config.model.layers = 9;
  config.model.hidden = 40;
  config.model.heads = 5;
  config.model.context = 18;
  config.model.vocab = 257;
  config.model.dropout = 0.1;
  config.optim.lr = 1e-3;
  config.optim.min_lr = 1e-4;
  config.optim.warmup = 4;
  config.optim.epsilon = 1e-5;
  config.optim.clip_norm = 0;
  config.optim.batch = parity_batch;
  config.optim.micro_batch = 1;
  config.parallel.bucket_bytes = 16 << 10;  // several buckets even for a tiny model
  return config;
}

}  // namespace tessera::train
