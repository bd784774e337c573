// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/new_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sys/statvfs.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "base/units.hpp"
#include "checkpoint/checksum.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/user_block.hpp"

namespace tessera::checkpoint {

namespace fs = std::filesystem;

namespace {

// What HDF5 needs for a dataset, its link, its attribute and its share of a group's index, rounded up.
constexpr std::uint64_t kDatasetBytes = 1024, kGroupsBytes = 16384;

std::uint64_t metadata_bytes(std::size_t num_datasets) {
  return kGroupsBytes + num_datasets * kDatasetBytes;
}

std::uint64_t size_bytes(const Dataset& dataset) {
  return static_cast<std::uint64_t>(dataset.num_elements()) * sizeof(float);
}

std::uint64_t expected_bytes(const RunState& state, const std::vector<Dataset>& datasets) {
  std::uint64_t total = user_block_bytes(datasets.size()) + metadata_bytes(datasets.size()) + state.config.size() +
                        state.version.size() + state.tokenizer.size();
  for (const Dataset& dataset : datasets) total += size_bytes(dataset);
  return total;
}

void write_state(hdf5::File& file, const RunState& state) {
  file.create_group("/run");
  file.set_attribute("/", "format", std::string("tessera checkpoint"));
  file.set_attribute("/", "format_version", format_version);
  file.set_attribute("/run", "step", state.step);
  file.set_attribute("/run", "updates", state.updates);
  file.set_attribute("/run", "skips", state.skips);
  file.set_attribute("/run", "tokens", state.tokens);
  file.set_attribute("/run", "mesh", state.mesh);
  file.set_attribute("/run", "tokenizer_fingerprint", state.tokenizer_fingerprint);
  if (!state.data.empty()) file.set_attribute("/run", "data", state.data);
  file.write_text("/run/version", state.version);
  file.write_text("/run/config", state.config);
  file.write_text("/run/tokenizer", state.tokenizer);
}

bool is_weight(const Dataset& dataset) {
  return dataset.path.starts_with(model_prefix);
}

}  // namespace

void require_room(const std::string& dir, std::uint64_t size_bytes) {
  struct statvfs about {};
  if (::statvfs(dir.c_str(), &about) != 0) base::fail_system("cannot examine '{}': {}", dir, std::strerror(errno));
  const std::uint64_t free_bytes = std::uint64_t{about.f_bavail} * about.f_frsize;
  if (free_bytes < size_bytes)
    base::fail_system("it needs {}, and '{}' has {} free", base::format_bytes(size_bytes), dir,
                      base::format_bytes(free_bytes));
  if (about.f_files > 0 && about.f_favail == 0)
    base::fail_system("the file system of '{}' has no file number (inode) free", dir);
}

NewFile::NewFile(std::string path, const RunState& state, std::vector<Dataset> datasets)
    : path_(std::move(path)),
      temporary_(temporary_name(path_)),
      step_(state.step),
      block_bytes_(user_block_bytes(datasets.size())),
      datasets_(std::move(datasets)) {
  const std::string folder = fs::path(path_).parent_path().string();
  if (!folder.empty()) fs::create_directories(folder);
  fs::remove(temporary_);
  require_room(folder.empty() ? "." : folder, expected_bytes(state, datasets_));
  try {
    file_ = hdf5::File::create(temporary_, block_bytes_, metadata_bytes(datasets_.size()));
    write_state(*file_, state);
    for (const Dataset& dataset : datasets_) {
      offsets_.push_back(file_->create_dataset(dataset.path, hdf5::Type::f32, dataset.shape).file_offset);
      file_->set_attribute(dataset.path, sum_attribute, hex(0));
    }
    if (std::any_of(datasets_.begin(), datasets_.end(), is_weight))
      file_->set_attribute(model_group, digest_attribute, hex(0));
    file_->flush();
  } catch (...) {
    file_.reset();
    std::error_code ignored;
    fs::remove(temporary_, ignored);
    throw;
  }
}

NewFile::~NewFile() {
  if (published_) return;
  file_.reset();
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

void NewFile::set_sums(const std::vector<std::uint64_t>& sums) {
  std::vector<std::string> model;
  for (std::size_t i = 0; i < datasets_.size(); ++i) {
    const auto& [path, shape] = datasets_[i];
    file_->set_attribute(path, sum_attribute, hex(sums[i]));
    if (is_weight(datasets_[i])) model.push_back(digest_line(path, shape, hex(sums[i])));
  }
  if (!model.empty()) file_->set_attribute(model_group, digest_attribute, digest(model));
  file_->close();
  file_.reset();
}

void NewFile::publish() {
  std::vector<Extent> tensors;
  for (std::size_t i = 0; i < datasets_.size(); ++i) tensors.push_back({offsets_[i], size_bytes(datasets_[i])});
  write_user_block(temporary_, static_cast<std::uint64_t>(step_), block_bytes_, std::move(tensors));
  base::publish_file(temporary_, path_);
  published_ = true;
}

}  // namespace tessera::checkpoint
