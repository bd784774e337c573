// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/core.h>
#include <iterator>
#include <map>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/user_block.hpp"

namespace tessera::checkpoint {

namespace fs = std::filesystem;

namespace {
constexpr std::string_view kPrefix = "step-", kSuffix = ".h5";
}

std::int64_t Dataset::num_elements() const {
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : shape) elements *= extent;
  return static_cast<std::int64_t>(elements);
}

Dataset dataset_of(const TensorTile& tensor) {
  Dataset dataset{dataset_path(tensor), {}};
  for (int dim = 0; dim < tensor.tile.global_shape.num_dims(); ++dim)
    dataset.shape.push_back(static_cast<std::uint64_t>(tensor.tile.global_shape[dim]));
  return dataset;
}

std::string file_name(const std::string& dir, std::int64_t step) {
  return fmt::format("{}/step-{:08}.h5", dir, step);
}

std::optional<std::int64_t> step_of(const std::string& name) {
  if (name.size() <= kPrefix.size() + kSuffix.size() || !name.starts_with(kPrefix) || !name.ends_with(kSuffix))
    return std::nullopt;
  const char* const end = name.data() + name.size() - kSuffix.size();
  std::int64_t step = 0;
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (error != std::errc{} || rest != end || step < 0) return std::nullopt;
  if (fs::path(file_name("", step)).filename() != name) return std::nullopt;  // "step-8.h5" is somebody else's
  return step;
}

std::map<std::int64_t, std::string> list_files(const std::string& dir) {
  std::map<std::int64_t, std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    const auto step = step_of(entry.path().filename().string());
    if (step && entry.is_regular_file(error)) files[*step] = entry.path().string();
  }
  return files;
}

std::vector<std::string> list_newest_first(const std::string& dir) {
  std::vector<std::string> paths;
  for (const auto& [step, path] : list_files(dir)) paths.push_back(path);
  std::reverse(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> remove_leftovers(const std::string& dir) {
  std::vector<std::string> removed;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    const bool is_ours = entry.path().extension() == ".tmp" && step_of(entry.path().stem().string());
    if (is_ours && entry.is_regular_file(error)) removed.push_back(entry.path().string());
  }
  for (const std::string& path : removed) fs::remove(path);
  return removed;
}

std::vector<std::string> candidates(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) base::fail_usage("checkpoint '{}' does not exist", path);
  if (!fs::is_directory(path, error)) return {path};
  for (const std::string& dir : {path, path + "/checkpoints"})
    if (const std::vector<std::string> files = list_newest_first(dir); !files.empty()) return files;
  base::fail_usage("'{}' holds no checkpoint (step-*.h5), and no folder 'checkpoints' with one", path);
}

std::string set_aside(const std::string& path) {
  std::string aside = path + ".damaged";
  for (int number = 2; fs::exists(fs::symlink_status(aside)); ++number)
    aside = fmt::format("{}.damaged.{}", path, number);
  std::error_code error;
  fs::rename(path, aside, error);
  if (error) base::fail_usage("damaged checkpoint '{}' cannot be renamed: {}. Move it away", path, error.message());
  return aside;
}

namespace {

bool is_sound(const std::string& path) {
  try {
    read_user_block(path);
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

}  // namespace

std::vector<std::string> dispensable(const std::string& dir, std::int64_t newest, const Retention& retention) {
  std::vector<std::string> found;
  if (retention.keep == 0) return found;
  std::int64_t left = retention.keep - 1;  // of older ones that stay
  const std::map<std::int64_t, std::string> files = list_files(dir);
  for (auto file = std::make_reverse_iterator(files.lower_bound(newest)); file != files.rend(); ++file) {
    const auto& [step, path] = *file;
    const bool for_good = retention.keep_every > 0 && step % retention.keep_every == 0;
    if ((left <= 0 && for_good) || !is_sound(path)) continue;
    if (--left < 0) found.push_back(path);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace tessera::checkpoint
