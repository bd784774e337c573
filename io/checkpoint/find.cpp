// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/core.h>
#include <functional>
#include <iterator>
#include <map>
#include <tuple>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/user_block.hpp"

namespace tessera::checkpoint {

namespace fs = std::filesystem;

namespace {
constexpr std::string_view kPrefix = "step-", kSuffix = ".h5", kAside = ".damaged", kTemporary = ".tmp";
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

namespace {

/// Calls visit() with each entry of a folder; with none of one that does not exist. A folder that cannot be read is no
/// empty one: a training would begin anew in it.
void for_each_entry(const std::string& dir, const std::function<void(const fs::directory_entry&)>& visit) {
  std::error_code error;
  fs::directory_iterator entry(dir, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) visit(*entry);
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    base::fail_system("folder '{}' cannot be listed: {}. Check its permissions and its file system", dir,
                      error.message());
}

}  // namespace

std::map<std::int64_t, std::string> list_files(const std::string& dir) {
  std::map<std::int64_t, std::string> files;
  for_each_entry(dir, [&](const fs::directory_entry& entry) {
    if (const auto step = step_of(entry.path().filename().string())) files[*step] = entry.path().string();
  });
  return files;
}

std::vector<std::string> list_newest_first(const std::string& dir) {
  std::vector<std::string> paths;
  for (const auto& [step, path] : list_files(dir)) paths.push_back(path);
  std::reverse(paths.begin(), paths.end());
  return paths;
}

std::vector<Remnant> list_remnants(const std::string& dir) {
  std::vector<Remnant> remnants;
  for_each_entry(dir, [&](const fs::directory_entry& entry) {
    std::error_code error;
    const std::string name = entry.path().filename().string();
    const std::size_t suffix = name.find(kSuffix);
    if (suffix == std::string::npos || !entry.is_regular_file(error)) return;
    const std::string behind = name.substr(suffix + kSuffix.size());
    const auto step = step_of(name.substr(0, suffix + kSuffix.size()));
    const bool is_aside = behind == kAside || behind.starts_with(std::string(kAside) + ".");
    if (step && (is_aside || behind == kTemporary)) remnants.push_back({entry.path().string(), *step, is_aside});
  });
  std::sort(remnants.begin(), remnants.end(),
            [](const Remnant& a, const Remnant& b) { return std::tie(b.step, a.path) < std::tie(a.step, b.path); });
  return remnants;
}

std::vector<std::string> remove_leftovers(const std::string& dir) {
  std::vector<std::string> removed;
  for (const Remnant& remnant : list_remnants(dir)) {
    if (remnant.is_aside) continue;
    fs::remove(remnant.path);
    removed.push_back(remnant.path);
  }
  return removed;
}

namespace {

[[noreturn]] void fail_empty(const std::string& path) {
  base::fail_usage("'{}' holds no checkpoint (step-*.h5), and no folder 'checkpoints' with one", path);
}

}  // namespace

std::vector<std::string> candidates(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) base::fail_usage("checkpoint '{}' does not exist", path);
  if (!fs::is_directory(path, error)) return {path};
  for (const std::string& dir : {path + "/checkpoints", path})
    if (const std::vector<std::string> files = list_newest_first(dir); !files.empty()) return files;
  fail_empty(path);
}

std::string folder_of(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) base::fail_usage("'{}' does not exist: name a run folder", path);
  if (!fs::is_directory(path, error)) base::fail_usage("'{}' is a file: name its folder, or a run folder", path);
  for (const std::string& dir : {path + "/checkpoints", path})
    if (!list_files(dir).empty() || !list_remnants(dir).empty()) return dir;
  fail_empty(path);
}

std::string set_aside(const std::string& path) {
  std::string aside = path + std::string(kAside);
  for (int number = 2; fs::exists(fs::symlink_status(aside)); ++number)
    aside = fmt::format("{}{}.{}", path, kAside, number);
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
