// SPDX-License-Identifier: Apache-2.0
#include "safetensors/file_set.hpp"

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.hpp"
#include "json/json.hpp"

namespace tessera::safetensors {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExtension = ".safetensors";
constexpr json::Limits kLimits{.depth = 16, .values = std::size_t{1} << 22};

using WeightMap = std::map<std::string, std::string>;  // tensor to file

std::string read_index(const std::string& path) {
  if (!fs::is_regular_file(path)) base::fail_usage("'{}' is no regular file", path);
  const base::PosixFile file = base::PosixFile::open_read(path);
  const std::uint64_t size = file.size_bytes();
  if (size > most_header_bytes)
    base::fail_usage("'{}' has {} bytes, more than {}: it is no index", path, size, most_header_bytes);
  std::string text(size, '\0');
  file.read_at(0, text.data(), text.size());
  return text;
}

WeightMap parse_index(const std::string& path) {
  WeightMap map;
  try {
    const json::Json index = json::parse(read_index(path), path, kLimits);
    for (const auto& [tensor, file] : index.at("weight_map").as_object()) map.emplace(tensor, file.as_string());
  } catch (const base::UsageError&) {
    throw;
  } catch (const base::SystemError&) {
    throw;
  } catch (const base::Error& error) {
    const std::string_view what = error.what();
    base::fail_usage("'{}' is no index of safetensors files: {}", path, what.substr(0, 400));
  }
  if (map.empty()) base::fail_usage("'{}' names no tensor", path);
  for (const auto& [tensor, file] : map)
    if (!is_plain_file_name(file))
      base::fail_usage("'{}': tensor {} is said to lie in {}, which is no name of a {} file of this folder", path,
                       shown(tensor), shown(file), kExtension);
  return map;
}

/// Each tensor of the index must lie in the file it says, and each tensor of the files in the index.
void require_index(const WeightMap& map, const std::vector<FileSet::Tensor>& tensors, const std::vector<File>& files,
                   const std::string& path) {
  std::string problems;
  const auto note = [&](const std::string& tensor, const std::string& what) {
    problems += fmt::format("\n  {} {}", shown(tensor), what);
  };
  for (const FileSet::Tensor& tensor : tensors) {
    const std::string file = fs::path(files[tensor.file].path()).filename().string();
    const auto named = map.find(tensor.name);
    if (named == map.end())
      note(tensor.name, "is in '" + file + "' but not in the index");
    else if (named->second != file)
      note(tensor.name, "is in '" + file + "', not in " + shown(named->second));
  }
  for (const auto& [tensor, file] : map) {
    const auto at =
        std::lower_bound(tensors.begin(), tensors.end(), tensor,
                         [](const FileSet::Tensor& one, const std::string& name) { return one.name < name; });
    if (at == tensors.end() || at->name != tensor) note(tensor, "is missing in '" + file + "'");
  }
  if (!problems.empty()) base::fail_usage("'{}' and its files do not fit:{}", path, problems);
}

}  // namespace

bool is_plain_file_name(const std::string& name) {
  // A zero byte would end the name for the system.
  return name.size() > kExtension.size() && name.ends_with(kExtension) &&
         name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

void FileSet::add(const std::string& path) {
  files_.emplace_back(path);
  for (const TensorInfo& tensor : files_.back().tensors()) tensors_.push_back({tensor, files_.size() - 1});
}

FileSet::FileSet(const std::string& path) {
  const std::string single = path + "/" + single_file_name, index = path + "/" + index_file_name;
  WeightMap map;
  if (!fs::is_directory(path)) {
    add(path);
  } else if (fs::exists(single)) {
    if (fs::exists(index))
      base::fail_usage("'{}' holds both '{}' and '{}': remove the one that is not meant", path, single_file_name,
                       index_file_name);
    add(single);
  } else if (fs::exists(index)) {
    map = parse_index(index);
    std::vector<std::string> names;
    for (const auto& [tensor, file] : map) names.push_back(file);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string& name : names) {
      if (!fs::exists(path + "/" + name)) base::fail_usage("'{}' names '{}', which does not exist", index, name);
      add(path + "/" + name);
    }
  } else {
    base::fail_usage("'{}' holds neither '{}' nor '{}'", path, single_file_name, index_file_name);
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const Tensor& a, const Tensor& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < tensors_.size(); ++i)
    if (tensors_[i].name == tensors_[i - 1].name)
      base::fail_usage("tensor {} is in '{}' and in '{}'", shown(tensors_[i].name), files_[tensors_[i - 1].file].path(),
                       files_[tensors_[i].file].path());
  if (!map.empty()) require_index(map, tensors_, files_, index);
}

const FileSet::Tensor* FileSet::find(const std::string& name) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const Tensor& one, const std::string& wanted) { return one.name < wanted; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

}  // namespace tessera::safetensors
