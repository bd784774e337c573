// SPDX-License-Identifier: Apache-2.0
#include "support/golden_file.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "hdf5/hdf5.hpp"

namespace tessera::testing {
namespace {

template <class T>
std::vector<T> read_values(const hdf5::File& file, const std::string& path, hdf5::Type type) {
  const hdf5::DatasetInfo info = file.info(path);
  if (info.type != type) base::fail("golden file: {} has another type than expected", path);
  std::size_t size = 1;
  for (const std::uint64_t extent : info.shape) size *= extent;
  std::vector<T> values(size);
  file.read(path, values.data(), size * sizeof(T));
  return values;
}

std::vector<double> read_doubles(const hdf5::File& file, const std::string& path) {
  return read_values<double>(file, path, hdf5::Type::f64);
}

Tensor read_tensor(const hdf5::File& file, const std::string& path) {
  Tensor tensor;
  for (const std::uint64_t extent : file.info(path).shape) tensor.shape.push_back(static_cast<std::int64_t>(extent));
  tensor.values = read_values<float>(file, path, hdf5::Type::f32);
  return tensor;
}

/// All datasets of a group, by their names in it.
Tensors read_group(const hdf5::File& file, const std::vector<std::string>& paths, const std::string& group) {
  Tensors tensors;
  for (const std::string& path : paths) {
    if (path.starts_with(group)) tensors.emplace(path.substr(group.size()), read_tensor(file, path));
  }
  if (tensors.empty()) base::fail("golden file: nothing under {}", group);
  return tensors;
}

}  // namespace

std::int64_t GoldenFile::num_targets() const {
  return std::count_if(targets.begin(), targets.end(), [](std::int32_t target) { return target >= 0; });
}

GoldenFile read_golden_file(const std::string& path) {
  const hdf5::File file = hdf5::File::open_read_only(path);
  const std::vector<std::string> paths = file.datasets();
  GoldenFile golden;
  golden.layers = file.int_attribute("/", "layers");
  golden.hidden = file.int_attribute("/", "hidden");
  golden.heads = file.int_attribute("/", "heads");
  golden.context = file.int_attribute("/", "context");
  golden.vocab = file.int_attribute("/", "vocab");
  golden.activation = file.string_attribute("/", "activation");
  golden.tied = file.int_attribute("/", "tied") != 0;

  golden.tokens = read_values<std::int32_t>(file, "/tokens", hdf5::Type::i32);
  golden.targets = read_values<std::int32_t>(file, "/targets", hdf5::Type::i32);
  golden.logits = read_tensor(file, "/logits");
  golden.batch = golden.logits.shape.at(0);
  golden.length = golden.logits.shape.at(1);
  golden.loss = read_doubles(file, "/loss").at(0);
  golden.weights = read_group(file, paths, "/weights/");
  golden.gradients = read_group(file, paths, "/gradients/");

  const std::vector<double> settings = read_doubles(file, "/adamw/settings");
  golden.adamw = {settings.at(0),
                  settings.at(1),
                  settings.at(2),
                  settings.at(3),
                  settings.at(4),
                  settings.at(5),
                  read_doubles(file, "/adamw/loss"),
                  read_doubles(file, "/adamw/grad_norm"),
                  read_group(file, paths, "/adamw/weights/")};
  return golden;
}

GoldenVariant read_golden_variant(const std::string& path) {
  const hdf5::File file = hdf5::File::open_read_only(path);
  GoldenVariant variant;
  variant.window = file.int_attribute("/", "window");
  variant.tokens = read_values<std::int32_t>(file, "/tokens", hdf5::Type::i32);
  variant.targets = read_values<std::int32_t>(file, "/targets", hdf5::Type::i32);
  variant.logits = read_tensor(file, "/logits");
  variant.loss = read_doubles(file, "/loss").at(0);
  variant.gradients = read_group(file, file.datasets(), "/gradients/");
  if (!file.exists("/autocast/errors")) return variant;
  variant.autocast.tokens = read_values<std::int32_t>(file, "/autocast/tokens", hdf5::Type::i32);
  variant.autocast.targets = read_values<std::int32_t>(file, "/autocast/targets", hdf5::Type::i32);
  const std::vector<double> errors = read_doubles(file, "/autocast/errors");
  variant.autocast.logits_error = errors.at(0);
  std::size_t next = 1;
  for (const auto& [name, gradient] : variant.gradients) variant.autocast.errors[name] = errors.at(next++);
  return variant;
}

}  // namespace tessera::testing
