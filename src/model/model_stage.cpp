// SPDX-License-Identifier: Apache-2.0
#include "model/model_stage.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::model {
namespace {

/// Without listing the actions of a step of millions of micro-batches: but for GPipe, which holds all, a few rounds of
/// the pipeline show how many are in flight.
int most_in_flight(pipeline::Schedule schedule, int stage, int chunk) {
  constexpr int kRounds = 8;
  if (schedule.kind == pipeline::ScheduleKind::gpipe) return schedule.micro_batches;
  schedule.micro_batches = std::min(schedule.micro_batches, kRounds * schedule.stages);
  return pipeline::most_in_flight(pipeline::actions(schedule, stage), chunk);
}

StageRoom stage_room(const config::Config& config, const pipeline::Schedule& schedule, int stage, int chunk) {
  StageRoom room;
  room.max_batch = config.optim.micro_batch;
  room.max_length = config.model.context;
  room.recompute = recompute_of(config.run.recompute);
  room.slots = most_in_flight(schedule, stage, chunk);
  room.message_slots = schedule.stages > 1 ? room.slots + 1 : room.slots;
  room.splits_backward = schedule.kind == pipeline::ScheduleKind::zero_bubble;
  return room;
}

}  // namespace

base::DType element_type(const config::Config& config) {
  return config.run.precision == "bf16" ? base::DType::bf16 : base::DType::f32;
}

pipeline::Schedule largest_schedule(const config::Config& config, const comm::MeshShape& mesh) {
  // Without a batch, as where only the model is checked, a full pipeline.
  const std::int64_t num_micro =
      config.optim.batch > 0 ? config.optim.batch / mesh.data / config.optim.micro_batch : mesh.pipeline;
  return schedule_of(config, mesh.pipeline, static_cast<int>(num_micro));
}

pipeline::Schedule schedule_of(const config::Config& config, int stages, int num_micro) {
  // One stage waits for nobody: each micro-batch's backward follows its forward, so that one is kept at a time and, as
  // zero = 2 needs, the gradients of a group are done with before those of the next group or micro-batch are begun.
  const pipeline::ScheduleKind kind = stages == 1 ? pipeline::ScheduleKind::one_forward_one_backward
                                                  : pipeline::schedule_of(config.parallel.pipeline_schedule);
  return {kind, stages, num_micro, static_cast<int>(config.parallel.virtual_stages)};
}

ModelStage::ModelStage(tensor::Device& device, tensor_parallel::TensorAxis& axis, const config::Config& config,
                       const Parameters& parameters, const pipeline::Schedule& schedule) {
  const Placement& placement = parameters.placement();
  chunks_.reserve(placement.parts.size());
  for (int chunk = 0; chunk < static_cast<int>(placement.parts.size()); ++chunk)
    chunks_.emplace_back(device, axis, config.model, parameters,
                         stage_room(config, schedule, placement.at.pipeline, chunk), chunk);
}

ModelStage::ModelStage(tensor::Device& device, tensor_parallel::TensorAxis& axis, const config::ModelConfig& config,
                       const Parameters& parameters, std::int64_t max_batch) {
  StageRoom room{max_batch, config.context, false};
  room.message_slots = 2;  // one arrives while the other is computed on
  for (int chunk = 0; chunk < static_cast<int>(parameters.placement().parts.size()); ++chunk)
    chunks_.emplace_back(device, axis, config, parameters, room, chunk);
}

std::size_t ModelStage::activation_bytes(const config::Config& config, const Placement& placement,
                                         const pipeline::Schedule& schedule) {
  std::size_t bytes = 0;
  for (int chunk = 0; chunk < static_cast<int>(placement.parts.size()); ++chunk)
    bytes += GptStage::activation_bytes(config.model, placement, config.parallel.sequence, element_type(config),
                                        stage_room(config, schedule, placement.at.pipeline, chunk), chunk);
  return bytes;
}

const MicroBatch& ModelStage::batch(int micro) {
  if (loaded_ != micro) batch_ = work_.load(micro);
  loaded_ = micro;
  return batch_;
}

std::span<float> ModelStage::input(int chunk, int micro) {
  return at(chunk).input(micro, work_.rows(micro)).span<float>();
}
std::span<float> ModelStage::output(int chunk, int micro) {
  return at(chunk).output(micro, work_.rows(micro)).span<float>();
}
std::span<float> ModelStage::gradient(int chunk, int micro) {
  return at(chunk).gradient(micro, work_.rows(micro)).span<float>();
}

double ModelStage::loss() const {
  return std::accumulate(losses_.begin(), losses_.end(), 0.0);
}

void ModelStage::run(const pipeline::Action& action) {
  GptStage& chunk = chunks_[static_cast<std::size_t>(action.chunk)];
  const MicroStep step{action.micro, work_.dropout, work_.gradient_scale,
                       action.micro == 0 || work_.sums_each_micro ? tensor::Accumulate::no : tensor::Accumulate::yes};
  const MicroBatch& batch = this->batch(action.micro);
  switch (action.work) {
    case pipeline::Work::forward:
      losses_.push_back(chunk.forward(batch, step, work_.hooks));
      break;
    case pipeline::Work::backward:
      chunk.backward(batch, step, work_.hooks);
      break;
    case pipeline::Work::backward_input:
      chunk.backward_input(batch, step, work_.hooks);
      break;
    case pipeline::Work::backward_weight:
      chunk.backward_weight(batch, step, work_.hooks);
      break;
  }
}

}  // namespace tessera::model
