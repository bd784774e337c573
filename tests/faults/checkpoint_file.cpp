// SPDX-License-Identifier: Apache-2.0
#include "faults/checkpoint_file.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/core.h>

#include "base/error.hpp"
#include "checkpoint/file_reader.hpp"
#include "faults/points.hpp"

namespace tessera::faults {

Tensors read_tensors(const std::string& path) {
  const checkpoint::FileReader file(path);
  Tensors tensors;
  for (const checkpoint::FileReader::Tensor& tensor : file.tensors()) {
    file.verify(tensor);
    std::vector<float>& values = tensors[tensor.path];
    values.resize(static_cast<std::size_t>(tensor.num_elements()));
    file.read(tensor, 0, values);
  }
  return tensors;
}

std::string problem_of(const std::string& path) {
  try {
    const checkpoint::FileReader file(path);
    for (const checkpoint::FileReader::Tensor& tensor : file.tensors()) file.verify(tensor);
    return file.has_optimizer() ? "" : fmt::format("'{}' holds no moments", path);
  } catch (const base::Error& error) {
    return error.what();
  }
}

std::vector<Stretch> stretches(const std::string& path) {
  const checkpoint::FileReader file(path);
  std::vector<Stretch> all;
  for (const checkpoint::FileReader::Tensor& tensor : file.tensors())
    all.push_back({tensor.path, tensor.offset, tensor.size_bytes()});
  std::sort(all.begin(), all.end(), [](const Stretch& a, const Stretch& b) { return a.offset < b.offset; });
  return all;
}

Found look_into(const std::string& folder) {
  Found found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto step = step_in(entry.path().string());
    if (!step) continue;
    const std::string problem = problem_of(entry.path().string());
    if (!problem.empty()) {
      found.unsound.push_back(problem);
      continue;
    }
    found.newest = std::max(found.newest, *step);
    ++found.num_sound;
  }
  return found;
}

}  // namespace tessera::faults
