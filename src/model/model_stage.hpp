// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/gpt_stage.hpp"
#include "pipeline/runner.hpp"
#include "pipeline/schedule.hpp"

namespace tessera::model {

/// The parts of the model that this rank holds, as the pipeline's runner drives them.
class ModelStage : public pipeline::Stage {
 public:
  /// What a run of an action list works on.
  struct Work {
    std::function<MicroBatch(int micro)> load;    ///< valid until the next call
    std::function<std::int64_t(int micro)> rows;  ///< of it, without loading it
    DropoutSource dropout{};
    float gradient_scale = 0;      ///< 0: evaluation
    bool sums_each_micro = false;  ///< gradients are not added to those of the micro-batch before: they were summed
                                   ///< over ranks in between
    StageHooks hooks{};
  };

  /// Room for the micro-batches that `schedule` holds at a time at this stage. References must outlive the object.
  ModelStage(tensor::Device& device, tensor_parallel::TensorAxis& axis, const config::Config& config,
             const Parameters& parameters, const pipeline::Schedule& schedule);
  /// For evaluation of micro-batches of up to `max_batch` sequences, with parameters that hold no gradients.
  ModelStage(tensor::Device& device, tensor_parallel::TensorAxis& axis, const config::ModelConfig& config,
             const Parameters& parameters, std::int64_t max_batch);

  void begin(Work work) { work_ = std::move(work), loaded_ = -1, losses_.clear(); }
  /// Sum of the losses since begin() in the order of micro-batches; 0 unless this stage has the head.
  double loss() const;
  void fold_embedding() { chunks_.front().fold_embedding(); }

  int slots(int chunk) const override { return at(chunk).room().slots; }
  int message_slots(int chunk) const override { return at(chunk).room().message_slots; }
  std::span<float> input(int chunk, int micro) override;
  std::span<float> output(int chunk, int micro) override;
  std::span<float> gradient(int chunk, int micro) override;
  void run(const pipeline::Action& action) override;

  /// Bytes of activations and work space of all chunks. Pure.
  static std::size_t activation_bytes(const config::Config& config, const Placement& placement,
                                      const pipeline::Schedule& schedule);

 private:
  const GptStage& at(int chunk) const { return chunks_[static_cast<std::size_t>(chunk)]; }
  const MicroBatch& batch(int micro);

  std::vector<GptStage> chunks_;
  Work work_;
  MicroBatch batch_;
  int loaded_ = -1;
  std::vector<double> losses_;
};

/// The schedule of a training step of `num_micro` micro-batches on `stages` stages.
pipeline::Schedule schedule_of(const config::Config& config, int stages, int num_micro);
/// Of the run's largest step: activations that fit it fit all. `config` must be resolved (micro_batch > 0).
pipeline::Schedule largest_schedule(const config::Config& config, const comm::MeshShape& mesh);

/// Type of matrices and activations in a run.
base::DType element_type(const config::Config& config);

}  // namespace tessera::model
