// SPDX-License-Identifier: Apache-2.0
#include "train/layouts.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace tessera::train {
namespace {

using Clip = ParityCase::Clip;

/// Shapes whose axes have 1, 2 or 4 ranks and that fit.
std::vector<comm::MeshShape> shapes_that_fit(int ranks) {
  std::vector<comm::MeshShape> shapes;
  for (const int pipeline : {1, 2, 4})
    for (const int tensor : {1, 2, 4})
      for (const int data : {1, 2, 4})
        if (data * pipeline * tensor > 1 && data * pipeline * tensor <= ranks)
          shapes.push_back({data, pipeline, tensor});
  if (ranks == 3 || (ranks > 4 && ranks % 4 == 3)) shapes.push_back({1, 1, 3});
  return shapes;
}

std::vector<const char*> schedules_for(const comm::MeshShape& mesh) {
  if (mesh.pipeline == 1) return {"1f1b"};
  return {"1f1b", "gpipe", "interleaved", "zero_bubble"};
}

ParityCase on(const comm::MeshShape& mesh, Clip clip, bool sequence, std::int64_t zero, const char* schedule) {
  ParityCase one;
  one.mesh = mesh;
  one.clip = clip;
  one.parallel.tensor = mesh.tensor;
  one.parallel.pipeline = mesh.pipeline;
  one.parallel.sequence = sequence;
  one.parallel.zero = zero;
  one.parallel.pipeline_schedule = schedule;
  one.parallel.virtual_stages = one.parallel.pipeline_schedule == "interleaved" ? 2 : 1;
  return one;
}

/// All cases of one shape and clipping, or those of the first schedule and zero stage. Twins: a pipeline alone has the
/// bits of one process whatever its schedule, and with data ranks those of its first schedule; zero stages have the
/// bits of zero 0.
void add_cases(const comm::MeshShape& mesh, Clip clip, bool all, int one_process, std::vector<ParityCase>& cases) {
  for (const bool sequence : {false, true}) {
    if (sequence && mesh.tensor == 1) continue;
    const int first = static_cast<int>(cases.size());
    for (const char* schedule : schedules_for(mesh))
      for (std::int64_t zero = 0; zero < (mesh.data == 1 ? 1 : mesh.pipeline > 1 ? 2 : 3); ++zero) {
        const bool is_first = static_cast<int>(cases.size()) == first;
        if (!all && !is_first) continue;
        ParityCase one = on(mesh, clip, sequence, zero, schedule);
        // With several micro-batches a rank zero 2 adds them after the ranks, not before: close, not equal.
        const bool has_twin = !is_first && zero < 2;
        one.twin = has_twin ? first : mesh.data == 1 && mesh.tensor == 1 ? one_process : -1;
        cases.push_back(one);
      }
  }
}

/// What is not crossed with everything, where it fits.
class Selection {
 public:
  Selection(int ranks, std::vector<ParityCase>& cases) : ranks_(ranks), cases_(cases) {}

  void add_bf16();
  void add_one_micro_batch();
  void add_other_sums();
  void add_recompute();
  void add_recompute(const comm::MeshShape& mesh, const char* schedule, std::int64_t zero, const char* recompute);
  void add_other_model(int one_process);

 private:
  void add(const ParityCase& one) {
    if (one.mesh.size() <= ranks_) cases_.push_back(one);
  }
  /// Adds one whose bits must be those of case `number`.
  void add_twin(ParityCase one, std::size_t number) {
    const int twin_of_it = cases_[number].twin;
    one.twin = twin_of_it >= 0 ? twin_of_it : static_cast<int>(number);
    add(one);
  }

  int ranks_;
  std::vector<ParityCase>& cases_;
};

void Selection::add_bf16() {
  for (ParityCase one :
       {on({2, 1, 1}, Clip::norm, false, 1, "1f1b"), on({1, 1, 2}, Clip::norm, true, 0, "1f1b"),
        on({1, 2, 1}, Clip::norm, false, 0, "zero_bubble"), on({2, 2, 2}, Clip::norm, true, 1, "1f1b")}) {
    one.bf16 = true;
    add(one);
  }
}

/// With one micro-batch a rank zero 2 has nothing to add after the ranks, so it has the bits of zero 0 and 1.
void Selection::add_one_micro_batch() {
  for (const comm::MeshShape& mesh : {comm::MeshShape{2, 1, 1}, {4, 1, 1}, {2, 1, 2}}) {
    ParityCase one = on(mesh, Clip::norm, mesh.tensor > 1, 0, "1f1b");
    one.micro_batch = parity_batch / mesh.data;
    const std::size_t first = cases_.size();
    add(one);
    for (const std::int64_t zero : {1, 2}) {
      one.parallel.zero = zero;
      if (mesh.size() <= ranks_) add_twin(one, first);
    }
  }
}

/// Gradients summed by MPI, in an order of its own, and rounded for the wire.
void Selection::add_other_sums() {
  for (ParityCase one :
       {on({2, 1, 1}, Clip::norm, false, 0, "1f1b"), on({4, 1, 1}, Clip::norm, false, 1, "1f1b"),
        on({4, 1, 2}, Clip::norm, true, 2, "1f1b"), on({2, 2, 2}, Clip::norm, false, 1, "zero_bubble")}) {
    one.parallel.reduce = "mpi";
    add(one);
    one.parallel.reduce = "ordered";
    one.parallel.wire = "bf16";
    add(one);
  }
}

/// What is computed twice has the same bits both times.
void Selection::add_recompute() {
  for (ParityCase one :
       {on({1, 1, 2}, Clip::norm, true, 0, "1f1b"), on({1, 2, 2}, Clip::norm, true, 0, "interleaved")}) {
    const std::string plain = one.name();
    const auto same = std::find_if(cases_.begin(), cases_.end(), [&](const auto& of) { return of.name() == plain; });
    const auto number = static_cast<std::size_t>(same - cases_.begin());
    if (same == cases_.end()) continue;
    for (const char* recompute : {"selective", "full"}) {
      one.recompute = recompute;
      add_twin(one, number);
    }
  }
  // Nor where a schedule parts backward from forward, or its halves from each other.
  add_recompute({1, 1, 1}, "zero_bubble", 0, "full");
  add_recompute({1, 2, 1}, "zero_bubble", 0, "selective");
  add_recompute({1, 2, 1}, "zero_bubble", 0, "full");
  add_recompute({2, 1, 1}, "gpipe", 2, "none");
  add_recompute({2, 1, 1}, "zero_bubble", 2, "full");
  add_recompute({1, 2, 2}, "zero_bubble", 0, "full");
}

/// Has the bits of the same layout without recomputation, and of 1F1B where there is one stage, which runs that.
void Selection::add_recompute(const comm::MeshShape& mesh, const char* schedule, std::int64_t zero,
                              const char* recompute) {
  ParityCase one = on(mesh, Clip::norm, mesh.tensor > 1, zero, schedule);
  ParityCase plain = one;
  if (mesh.pipeline == 1) plain.parallel.pipeline_schedule = "1f1b";
  one.recompute = recompute;
  const auto same =
      std::find_if(cases_.begin(), cases_.end(), [&](const ParityCase& of) { return of.name() == plain.name(); });
  if (same != cases_.end()) add_twin(one, static_cast<std::size_t>(same - cases_.begin()));
}

void Selection::add_other_model(int one_process) {
  for (ParityCase one :
       {on({2, 1, 1}, Clip::norm, false, 2, "1f1b"), on({1, 1, 2}, Clip::norm, true, 0, "1f1b"),
        on({1, 2, 1}, Clip::norm, false, 0, "interleaved"), on({2, 2, 2}, Clip::norm, true, 1, "zero_bubble")}) {
    one.other_model = true;
    if (one.mesh.data * one.mesh.tensor == 1) one.twin = one_process;
    add(one);
  }
}

}  // namespace

std::string ParityCase::name() const {
  std::string text = mesh.str();
  if (mesh.pipeline > 1 || parallel.pipeline_schedule != "1f1b") text += ", " + parallel.pipeline_schedule;
  if (parallel.sequence) text += ", sequence";
  if (mesh.data > 1) text += fmt::format(", zero {}", parallel.zero);
  if (parallel.wire == "bf16") text += ", wire bf16";
  if (parallel.reduce == "mpi") text += ", reduce mpi";
  if (micro_batch > 1) text += fmt::format(", micro-batch {}", micro_batch);
  if (recompute != "none") text += ", recompute " + recompute;
  if (other_model) text += ", other model";
  if (threads > 1) text += fmt::format(", {} threads", threads);
  if (bf16) text += ", bf16";
  return text + (clip == Clip::norm ? ", norm clipped" : clip == Clip::value ? ", values clipped" : "");
}

config::Config ParityCase::config() const {
  config::Config config = parity_config();
  const std::int64_t bucket_bytes = config.parallel.bucket_bytes;
  config.parallel = parallel;
  config.parallel.bucket_bytes = bucket_bytes;
  if (clip == Clip::norm) config.optim.clip_norm = parity_clip_norm;
  if (clip == Clip::value) config.optim.clip_value = parity_clip_value;
  if (bf16) config.run.precision = "bf16";
  config.run.recompute = recompute;
  config.optim.micro_batch = micro_batch;
  if (other_model) {
    config.model.attention = "alternating";
    config.model.window = 5;
    config.model.tied_head = false;
    config.data.document_mask = true;
  }
  return config;
}

ParityBounds ParityCase::bounds() const {
  if (bf16) return bf16_bounds;
  return parallel.wire == "bf16" ? bf16_wire_bounds : fp32_bounds;
}

int reference_of(const std::vector<ParityCase>& cases, int number) {
  const ParityCase& of = cases[static_cast<std::size_t>(number)];
  const auto reference = std::find_if(cases.begin(), cases.end(), [&](const ParityCase& one) {
    return one.clip == of.clip && one.bf16 == of.bf16 && one.other_model == of.other_model;
  });
  return static_cast<int>(reference - cases.begin());
}

std::vector<ParityCase> parity_cases(int ranks, bool has_bf16, Crossing crossing) {
  std::vector<ParityCase> cases;
  ParityCase one;
  for (const Clip clip : {Clip::none, Clip::norm, Clip::value}) {
    one.clip = clip;
    cases.push_back(one);
  }
  one.clip = Clip::norm;
  const bool brief = crossing == Crossing::brief;
  has_bf16 = has_bf16 && !brief;
  if (has_bf16) {
    one.bf16 = true;
    cases.push_back(one);
    one.bf16 = false;
  }
  const int other_process = static_cast<int>(cases.size());
  if (!brief) {
    one.other_model = true;
    cases.push_back(one);
  }
  for (const int threads : {1, 2, 3}) {  // the same bits twice, and for any number of threads
    ParityCase again;
    again.threads = threads;
    again.twin = 0;
    cases.push_back(again);
  }
  for (const comm::MeshShape& mesh : shapes_that_fit(ranks)) {
    if (!brief) add_cases(mesh, Clip::value, crossing == Crossing::full, 2, cases);
    add_cases(mesh, Clip::norm, true, 1, cases);
    if (brief) continue;
    ParityCase again = cases.back();  // the same layout twice
    again.twin = static_cast<int>(cases.size()) - 1;
    cases.push_back(again);
  }
  if (brief || ranks == 1) return cases;
  Selection selection(ranks, cases);
  if (has_bf16) selection.add_bf16();
  selection.add_one_micro_batch();
  selection.add_other_sums();
  selection.add_recompute();
  selection.add_other_model(other_process);
  return cases;
}

}  // namespace tessera::train
