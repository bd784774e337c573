// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/core.h>
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

std::string file_name(const std::string& dir, std::int64_t step) {
  return fmt::format("{}/step-{:08}.h5", dir, step);
}

std::optional<std::int64_t> step_of(const std::string& name) {
  if (name.size() <= kPrefix.size() + kSuffix.size() || !name.starts_with(kPrefix) || !name.ends_with(kSuffix))
    return std::nullopt;
  const char* const end = name.data() + name.size() - kSuffix.size();
  std::int64_t step = 0;
  const auto [rest, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return step;
}

std::map<std::int64_t, std::string> list_files(const std::string& dir) {
  std::map<std::int64_t, std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error))
    if (const auto step = step_of(entry.path().filename().string())) files[*step] = entry.path().string();
  return files;
}

std::optional<std::string> find_newest(const std::string& dir, std::vector<std::string>& warnings) {
  const auto files = list_files(dir);
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    try {
      read_user_block(file->second);
      return file->second;
    } catch (const base::Error& error) {
      warnings.push_back(error.what());
    }
  }
  return std::nullopt;
}

std::string resolve_path(const std::string& path) {
  if (fs::is_regular_file(path)) return path;
  if (!fs::exists(path)) base::fail_usage("checkpoint '{}' does not exist", path);
  for (const std::string& dir : {path, path + "/checkpoints"}) {
    std::vector<std::string> warnings;
    const auto newest = find_newest(dir, warnings);
    if (newest) return *newest;
    if (!warnings.empty()) base::fail_usage("'{}' holds no usable checkpoint: {}", dir, warnings.front());
  }
  base::fail_usage("'{}' holds no checkpoint (step-*.h5), and no folder 'checkpoints' with one", path);
}

}  // namespace tessera::checkpoint
