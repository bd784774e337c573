// SPDX-License-Identifier: Apache-2.0
#include "train/replica.hpp"

#include <cmath>

#include "base/stopwatch.hpp"
#include "comm/together.hpp"
#include "model/copies.hpp"

namespace tessera::train {
namespace {

using base::Fault;

}  // namespace

void require_same_kernels(const comm::Communicator& ranks, const tensor::Device& device) {
  comm::require_equal(ranks, device.instruction_set(), "CPU kernels",
                      "set TESSERA_ISA=v3 in the environment of all ranks (mpirun -x TESSERA_ISA=v3), or use nodes of "
                      "one kind");
}

checkpoint::TensorTile stored_tile(const std::string& group, const model::Parameter& p,
                                   const model::Placement& placement, tensor::View owned) {
  const tensor::Range rows = model::stored_rows(p, placement);
  return {group, tensor::cut(p.owned(), 0, rows), owned.rows(rows.first, rows.size), p.primary};
}

std::vector<optim::OptimizedTile> optimized_tiles(const model::Parameters& parameters) {
  std::vector<optim::OptimizedTile> tiles;
  for (const model::Parameter& p : parameters.all())
    tiles.push_back(
        {p.owned(), p.master, p.rounded() ? p.owned_weight() : tensor::View{}, p.owned_gradient(), p.spec.decay});
  return tiles;
}

Replica::Replica(const comm::Mesh& mesh, tensor::Device& device, const config::Config& config,
                 const TokenMixture& tokens, Fault fault)
    : mesh_(&mesh),
      device_(&device),
      config_(config),
      fault_(fault),
      tensor_axis_(mesh.tensor(), device, config.parallel.sequence, fault),
      parameters_(config.model, model::place(config, mesh.shape(), mesh.at(), fault), model::training_room(config)),
      stage_(device, tensor_axis_, config, parameters_, model::largest_schedule(config, mesh.shape())),
      runner_(mesh.pipeline(), static_cast<int>(config.parallel.virtual_stages)),
      batches_(tokens, config, mesh.at().data, mesh.shape().data),
      optimizer_(config.optim, optimized_tiles(parameters_)),
      sync_(mesh.data(), device, model::sync_tensors(parameters_), model::sync_settings(config, fault)) {
  require_same_kernels(mesh.all(), device);
  for (const model::Parameter& p : parameters_.all())
    if (p.spec.on_residual_stream) stream_gradients_.push_back(p.owned_gradient());
  parameters_.initialize(config.run.seed, device);
}

void Replica::set_trace(base::Trace* trace) {
  trace_ = trace;
  runner_.set_trace(trace);
  mesh_->all().set_trace(trace);
}

/// First and last stage hold copies of a tied embedding: their gradients are added before those of data ranks.
bool Replica::sums_ends() const {
  const int stages = mesh_->shape().pipeline;
  return config_.model.tied_head && stages > 1 && parameters_.holds("token_embedding");
}

double Replica::compute_gradients(std::int64_t step) {
  const auto num_targets = static_cast<double>(batches_.num_targets(step));
  const auto num_micro = static_cast<int>(batches_.num_micro_batches(step));
  const int embedding_group = parameters_.holds("token_embedding") ? parameters_.get("token_embedding").group : -1;
  const bool sums_ends = this->sums_ends(), each_micro = config_.parallel.zero == 2;
  const pipeline::Schedule schedule = model::schedule_of(config_, mesh_->shape().pipeline, num_micro);
  std::vector<int> left(static_cast<std::size_t>(parameters_.all().back().group) + 1, num_micro);

  model::ModelStage::Work work;
  work.load = [&](int micro) { return batches_.load(step, micro); };
  work.rows = [rows = config_.optim.micro_batch * config_.model.context](int) { return rows; };
  work.dropout = {static_cast<float>(config_.model.dropout), config_.run.seed};
  if (fault_ == Fault::dropout_rank) work.dropout.seed += static_cast<std::uint64_t>(mesh_->all().rank());
  work.gradient_scale = static_cast<float>((fault_ == Fault::gradient_scale ? 2.0 : 1.0) / num_targets);
  work.sums_each_micro = each_micro;
  if (each_micro)
    work.hooks.gradients_begin = [&](int group) {
      for (const int other : parameters_.groups_in_memory_of(group)) sync_.settle(other);
    };
  work.hooks.gradients_ready = [&](int group) {
    const bool first = left[static_cast<std::size_t>(group)]-- == num_micro;
    if (left[static_cast<std::size_t>(group)] > 0 && !each_micro) return;
    if (group == embedding_group) {
      if (sums_ends) return;
      stage_.fold_embedding();
    }
    sync_.ready(group, first ? tensor::Accumulate::no : tensor::Accumulate::yes);
  };
  work.hooks.progress = [&] {
    runner_.progress();
    sync_.progress();
  };
  stage_.begin(std::move(work));
  runner_.run(stage_, pipeline::actions(schedule, mesh_->at().pipeline));
  if (sums_ends) {
    const base::TraceScope scope(trace_, "tied embedding", "phase");
    const base::Stopwatch stopwatch(tied_embedding_seconds_);
    if (fault_ != Fault::tied_embedding)
      pipeline::sum_ends(mesh_->pipeline(), *device_, parameters_.get("token_embedding").gradient);
    sync_.ready(embedding_group);
  }
  const base::TraceScope scope(trace_, "gradient sums", "phase");
  sync_.finish();
  tensor_axis_.sum_gradients(stream_gradients_);
  return mesh_->at().tensor == 0 ? stage_.loss() : 0.0;
}

double Replica::gradient_norm() {
  const std::vector<model::ParameterSpec> specs = model::parameter_specs(config_.model);
  std::vector<double> squares(specs.size());
  for (const model::Parameter& p : parameters_.all()) {
    if (!p.primary && fault_ != Fault::norm_double_count) continue;
    // Whatever zero is, a data rank looks at the rows that it would own.
    const tensor::Range rows =
        data_parallel::own_rows(p.tile.extent[0], mesh_->shape().data, mesh_->at().data, p.rotation);
    const tensor::View mine = config_.parallel.zero > 0 ? p.owned_gradient() : p.gradient.rows(rows.first, rows.size);
    squares[static_cast<std::size_t>(p.rotation)] = tensor::sum_of_squares(*device_, mine);
  }
  mesh_->data().sum(squares, "gradient norm");
  mesh_->tensor().sum(squares, "gradient norm");
  mesh_->pipeline().sum(squares, "gradient norm");
  double total = 0;
  for (const double of_tensor : squares) total += of_tensor;
  return std::sqrt(total);
}

std::vector<checkpoint::TensorTile> Replica::tiles() {
  std::vector<checkpoint::TensorTile> tiles;
  for (std::size_t i = 0; i < parameters_.all().size(); ++i) {
    const model::Parameter& p = parameters_.all()[i];
    tiles.push_back(stored_tile("model", p, parameters_.placement(), p.master));
    tiles.push_back(stored_tile("optimizer/m", p, parameters_.placement(), optimizer_.m()[i]));
    tiles.push_back(stored_tile("optimizer/v", p, parameters_.placement(), optimizer_.v()[i]));
  }
  return tiles;
}

void Replica::spread_state() {
  model::fill_copies(*mesh_, config_.model, parameters_, [](const model::Parameter& p) { return p.master; });
  for (const std::vector<tensor::View>* moment : {&optimizer_.m(), &optimizer_.v()})
    model::fill_copies(*mesh_, config_.model, parameters_, [&](const model::Parameter& p) {
      return (*moment)[static_cast<std::size_t>(&p - parameters_.all().data())];
    });
  parameters_.round_weights(*device_);
  sync_.gather_weights();
}

}  // namespace tessera::train
