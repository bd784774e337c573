// SPDX-License-Identifier: Apache-2.0
// Saved under each of several layouts, resumed under each of them: the state is the same global tensors bit for bit, on
// every rank that holds some of it, and training goes on as it would have where it began.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>

#include "checkpoint/file_reader.hpp"
#include "checkpoint/saver.hpp"
#include "checkpoint/tiles.hpp"
#include "mpi/world.hpp"
#include "parity/reshard/token_folder.hpp"
#include "plan/memory.hpp"
#include "tensor/library.hpp"
#include "train/layouts.hpp"
#include "train/train_step.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;
using train::ParityCase;

constexpr std::int64_t kSavedStep = 5, kLastStep = 15;

/// Every axis, every zero stage, schedules that differ in who holds what, an uneven cut, and one process.
std::vector<ParityCase> layouts() {
  std::vector<ParityCase> all(7);
  const auto set = [&](std::size_t i, comm::MeshShape mesh, std::int64_t zero, const char* schedule = "1f1b") {
    ParityCase& one = all[i];
    one.mesh = mesh;
    one.parallel.tensor = mesh.tensor;
    one.parallel.pipeline = mesh.pipeline;
    one.parallel.zero = zero;
    one.parallel.pipeline_schedule = schedule;
    one.clip = ParityCase::Clip::norm;
  };
  set(0, {1, 1, 1}, 0);
  set(1, {4, 1, 2}, 1);
  set(2, {2, 2, 2}, 0);
  all[2].parallel.sequence = true;
  set(3, {1, 4, 2}, 0, "interleaved");
  all[3].parallel.virtual_stages = 2;
  set(4, {2, 1, 3}, 2);
  set(5, {2, 4, 1}, 1, "zero_bubble");
  set(6, {2, 1, 2}, 1);
  all[6].bf16 = true;
  if (!tensor::has_bf16_products()) all.pop_back();
  return all;
}

/// What a run did between two steps.
struct Course {
  std::vector<double> losses, grad_norms;
  std::vector<std::uint64_t> samples;  // of each step, sorted
  double sum_of_lr = 0;
};

/// A run of the first ranks of the world under a layout.
class Run {
 public:
  Run(const ParityCase& layout, const train::TokenRange& tokens)
      : group_(world().split(world().rank() < layout.mesh.size() ? 0 : -1)) {
    if (group_.size() == 0) return;
    mesh_.emplace(group_, layout.mesh);
    replica_ = std::make_unique<train::Replica>(*mesh_, device_, layout.config(), tokens);
  }
  bool takes_part() const { return replica_ != nullptr; }

  Course train_until(std::int64_t last) {
    Course course;
    while (state_.step < last) {
      const train::StepReport report = train::train_step(*replica_, state_.step + 1, state_.updates);
      state_.step = report.step;
      course.losses.push_back(report.loss);
      course.grad_norms.push_back(report.grad_norm);
      course.sum_of_lr += report.lr;
      for (const std::uint64_t sample : samples(report.step)) course.samples.push_back(sample);
    }
    return course;
  }

  std::string save(const std::string& dir, bool async) {
    checkpoint::Saver saver(mesh_->all(), mesh_->tensor(), replica_->tiles(), {dir, {0, 0}, async});
    config::Config config = replica_->config();
    config.checkpoint.async = async;
    config.checkpoint.interval = 1;
    BOOST_TEST(saver.buffer_bytes() == plan::checkpoint_bytes(config, replica_->parameters()));
    saver.begin(state_);
    return saver.finish()->path;
  }

  void load(const std::string& path) {
    state_ = checkpoint::read_state(path);
    checkpoint::read_tiles(mesh_->all(), mesh_->tensor(), path, replica_->tiles());
    replica_->spread_state();
  }

  /// True if all that ranks hold, copies too, has the bits of the file's tensors.
  bool holds(const std::string& path) {
    const checkpoint::FileReader file(path);
    double wrong = 0;
    for (const checkpoint::TensorTile& tensor : replica_->tiles()) {
      std::vector<float> whole(static_cast<std::size_t>(tensor.tile.global_shape.num_elements()));
      file.read(*file.find(checkpoint::dataset_of(tensor).path), 0, whole);
      const tensor::Tile& tile = tensor.tile;
      const bool is_matrix = tile.extent.num_dims() == 2;
      const std::int64_t columns = is_matrix ? tile.extent[1] : 1, width = is_matrix ? tile.global_shape[1] : 1;
      for (std::int64_t row = 0; row < tile.extent[0]; ++row)
        if (std::memcmp(tensor.data.as<float>() + row * columns,
                        whole.data() + (tile.offset[0] + row) * width + (is_matrix ? tile.offset[1] : 0),
                        static_cast<std::size_t>(columns) * sizeof(float)) != 0)
          wrong = 1;
    }
    return mesh_->all().sum(wrong, "ranks with other bits") == 0;
  }

  std::int64_t step() const { return state_.step; }

 private:
  std::vector<std::uint64_t> samples(std::int64_t step) {
    std::vector<std::uint64_t> mine;
    for (std::int64_t micro = 0; micro < replica_->batches().num_micro_batches(step - 1); ++micro)
      for (const std::uint64_t sample : replica_->batches().sample_indices(step - 1, micro)) mine.push_back(sample);
    std::vector<std::uint64_t> all(mine.size() * static_cast<std::size_t>(mesh_->data().size()));
    mesh_->data().all_gather<std::uint64_t>(mine, all, "samples of all ranks");
    std::sort(all.begin(), all.end());
    return all;
  }

  comm::Communicator group_;
  tensor::Device device_{1};
  std::optional<comm::Mesh> mesh_;
  std::unique_ptr<train::Replica> replica_;
  checkpoint::RunState state_;
};

/// Checksums of all tensors of a file.
std::vector<std::string> sums_of(const std::string& path) {
  std::vector<std::string> sums;
  const checkpoint::FileReader file(path);
  for (const auto& tensor : file.tensors()) sums.push_back(tensor.path + " " + tensor.sum);
  return sums;
}

/// Largest difference of a weight of two files.
double weight_difference(const std::string& a, const std::string& b) {
  const checkpoint::FileReader first(a), second(b);
  double most = 0;
  for (const auto& tensor : first.tensors()) {
    if (!tensor.path.starts_with("/model/")) continue;
    std::vector<float> x(static_cast<std::size_t>(tensor.num_elements())), y(x.size());
    first.read(tensor, 0, x);
    second.read(*second.find(tensor.path), 0, y);
    for (std::size_t i = 0; i < x.size(); ++i)
      most = std::max(most, std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i])));
  }
  return most;
}

double largest_relative(const std::vector<double>& a, const std::vector<double>& b) {
  double most = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) most = std::max(most, std::abs(a[i] / b[i] - 1));
  return most;
}

/// A run that never stopped, and its checkpoint half way.
struct Undisturbed {
  std::string half, end;
  Course course;  // from the checkpoint on
};

Undisturbed train_undisturbed(const ParityCase& layout, const TokenFolder& fixture, const std::string& dir) {
  Run run(layout, fixture.tokens);
  Undisturbed result;
  if (!run.takes_part()) return result;
  run.train_until(kSavedStep);
  result.half = run.save(dir, true);
  result.course = run.train_until(kLastStep);
  result.end = run.save(dir, false);
  return result;
}

BOOST_FIXTURE_TEST_CASE(every_layout_resumes_what_every_layout_saved, TokenFolder) {
  const std::vector<ParityCase> all = layouts();
  if (all.size() < 7 && world().rank() == 0)
    std::cout << "SKIPPED: bf16 layouts: this CPU multiplies none" << std::endl;
  double worst_loss = 0, worst_norm = 0, worst_weight = 0;
  for (std::size_t saved = 0; saved < all.size(); ++saved) {
    const std::string dir = folder + "/" + std::to_string(saved);
    const Undisturbed whole = train_undisturbed(all[saved], *this, dir);
    world().barrier("saved");
    for (std::size_t resumed = 0; resumed < all.size(); ++resumed) {
      Run run(all[resumed], tokens);
      if (!run.takes_part()) continue;
      BOOST_TEST_CONTEXT("saved under " << all[saved].name() << ", resumed under " << all[resumed].name()) {
        const std::string half = checkpoint::file_name(dir, kSavedStep), end = checkpoint::file_name(dir, kLastStep);
        run.load(half);
        BOOST_TEST(run.step() == kSavedStep);
        BOOST_TEST(run.holds(half));
        const std::string there = dir + "-" + std::to_string(resumed);
        BOOST_TEST((sums_of(run.save(there, resumed % 2 == 0)) == sums_of(half)));
        const Course course = run.train_until(kLastStep);
        const std::string end_there = run.save(there, resumed % 2 == 1);
        if (world().rank() != 0) continue;  // it took part in all runs
        BOOST_TEST((course.samples == whole.course.samples));
        if (saved == resumed) {
          BOOST_TEST((course.losses == whole.course.losses));
          BOOST_TEST((sums_of(end_there) == sums_of(end)));
          continue;
        }
        const train::ParityBounds bounds =
            all[saved].bf16 || all[resumed].bf16 ? train::bf16_bounds : train::fp32_bounds;
        const double loss = largest_relative(course.losses, whole.course.losses),
                     norm = largest_relative(course.grad_norms, whole.course.grad_norms),
                     weight = weight_difference(end_there, end) / whole.course.sum_of_lr;
        BOOST_TEST(loss <= bounds.loss);
        BOOST_TEST(norm <= bounds.grad_norm);
        BOOST_TEST(weight <= bounds.weight);
        if (all[saved].bf16 || all[resumed].bf16) continue;
        worst_loss = std::max(worst_loss, loss);
        worst_norm = std::max(worst_norm, norm);
        worst_weight = std::max(worst_weight, weight);
      }
    }
    world().barrier("resumed");
  }
  if (world().rank() == 0)
    std::cout << "largest fp32 differences over " << kLastStep - kSavedStep << " steps: loss " << worst_loss
              << ", gradient norm " << worst_norm << ", weight " << worst_weight << " of the summed rates" << std::endl;
}

}  // namespace
}  // namespace tessera::testing
