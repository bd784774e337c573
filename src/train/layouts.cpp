// SPDX-License-Identifier: Apache-2.0
#include "train/layouts.hpp"

#include <fmt/core.h>

#include "train/parity.hpp"

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

/// All cases of one shape and clipping. Twins: a pipeline alone has the bits of one process whatever its schedule, and
/// with data ranks those of its first schedule; zero stages have the bits of zero 0.
void add_cases(const comm::MeshShape& mesh, Clip clip, int one_process, std::vector<ParityCase>& cases) {
  for (const bool sequence : {false, true}) {
    if (sequence && mesh.tensor == 1) continue;
    const int first = static_cast<int>(cases.size());
    for (const char* schedule : schedules_for(mesh))
      for (std::int64_t zero = 0; zero < (mesh.data == 1 ? 1 : mesh.pipeline > 1 ? 2 : 3); ++zero) {
        ParityCase one;
        one.mesh = mesh;
        one.clip = clip;
        one.parallel.tensor = mesh.tensor;
        one.parallel.pipeline = mesh.pipeline;
        one.parallel.sequence = sequence;
        one.parallel.zero = zero;
        one.parallel.pipeline_schedule = schedule;
        one.parallel.virtual_stages = one.parallel.pipeline_schedule == "interleaved" ? 2 : 1;
        // With several micro-batches a rank zero 2 adds them after the ranks, not before: close, not equal.
        const bool has_twin = static_cast<int>(cases.size()) > first && zero < 2;
        one.twin = has_twin ? first : mesh.data == 1 && mesh.tensor == 1 ? one_process : -1;
        cases.push_back(one);
      }
  }
}

void add_bf16(const comm::MeshShape& mesh, bool sequence, std::int64_t zero, const char* schedule,
              std::vector<ParityCase>& cases) {
  ParityCase one;
  one.mesh = mesh;
  one.clip = Clip::norm;
  one.bf16 = true;
  one.parallel.tensor = mesh.tensor;
  one.parallel.pipeline = mesh.pipeline;
  one.parallel.sequence = sequence;
  one.parallel.zero = zero;
  one.parallel.pipeline_schedule = schedule;
  cases.push_back(one);
}

}  // namespace

std::string ParityCase::name() const {
  std::string text = mesh.str();
  if (mesh.pipeline > 1) text += ", " + parallel.pipeline_schedule;
  if (parallel.sequence) text += ", sequence";
  if (mesh.data > 1) text += fmt::format(", zero {}", parallel.zero);
  if (parallel.wire == "bf16") text += ", wire bf16";
  if (threads > 1) text += fmt::format(", {} threads", threads);
  if (bf16) text += ", bf16";
  return text + (clip == Clip::norm ? ", norm clipped" : clip == Clip::value ? ", values clipped" : "");
}

config::Config ParityCase::config(const config::Config& tiny) const {
  config::Config config = tiny;
  const std::int64_t bucket_bytes = tiny.parallel.bucket_bytes;
  config.parallel = parallel;
  config.parallel.bucket_bytes = bucket_bytes;
  if (clip == Clip::norm) config.optim.clip_norm = parity_clip_norm;
  if (clip == Clip::value) config.optim.clip_value = parity_clip_value;
  if (bf16) config.run.precision = "bf16";
  return config;
}

int reference_of(const std::vector<ParityCase>& cases, int number) {
  const ParityCase& of = cases[static_cast<std::size_t>(number)];
  int reference = 0;
  while (cases[static_cast<std::size_t>(reference)].clip != of.clip ||
         cases[static_cast<std::size_t>(reference)].bf16 != of.bf16)
    ++reference;
  return reference;
}

std::vector<ParityCase> parity_cases(int ranks, bool has_bf16, bool brief) {
  std::vector<ParityCase> cases;
  ParityCase one;
  for (const Clip clip : {Clip::none, Clip::norm, Clip::value}) {
    one.clip = clip;
    cases.push_back(one);
  }
  has_bf16 = has_bf16 && !brief;
  if (has_bf16) {
    one.clip = Clip::norm;
    one.bf16 = true;
    cases.push_back(one);
  }
  for (const int threads : {1, 2, 3}) {  // the same bits twice, and for any number of threads
    ParityCase again;
    again.threads = threads;
    again.twin = 0;
    cases.push_back(again);
  }
  for (const comm::MeshShape& mesh : shapes_that_fit(ranks)) {
    add_cases(mesh, Clip::norm, 1, cases);
    if (brief) continue;
    add_cases(mesh, Clip::value, 2, cases);
    ParityCase again = cases.back();  // the same layout twice
    again.twin = static_cast<int>(cases.size()) - 1;
    cases.push_back(again);
  }
  if (!has_bf16) return cases;
  if (ranks >= 2) {
    add_bf16({2, 1, 1}, false, 1, "1f1b", cases);
    add_bf16({1, 1, 2}, true, 0, "1f1b", cases);
    add_bf16({1, 2, 1}, false, 0, "zero_bubble", cases);
  }
  if (ranks >= 8) add_bf16({2, 2, 2}, true, 1, "1f1b", cases);
  return cases;
}

}  // namespace tessera::train
