// SPDX-License-Identifier: Apache-2.0
#include "model/parameters.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <stdexcept>

#include "base/philox.hpp"
#include "tensor/ops.hpp"

namespace tessera::model {
namespace {

constexpr std::int64_t kAlignElements = 32;  // 64 bytes of bf16, 128 of f32

std::vector<Parameter> lay_out(const config::ModelConfig& config, std::int64_t& num_elements) {
  std::vector<Parameter> parameters;
  num_elements = 0;
  for (ParameterSpec& spec : parameter_specs(config)) {
    if (!spec.joins_previous) num_elements = (num_elements + kAlignElements - 1) / kAlignElements * kAlignElements;
    Parameter parameter;
    parameter.tile = tensor::whole(spec.name, spec.shape);
    parameter.offset = num_elements;
    parameter.spec = std::move(spec);
    num_elements += parameter.tile.num_elements();
    parameters.push_back(std::move(parameter));
  }
  num_elements = (num_elements + kAlignElements - 1) / kAlignElements * kAlignElements;
  return parameters;
}

tensor::View joined(const tensor::View& first, int count) {
  tensor::Shape shape = first.shape();
  shape.set(0, shape[0] * count);
  return {first.data(), first.dtype(), shape};
}

}  // namespace

Parameters::Parameters(const config::ModelConfig& config, bool with_gradients, base::DType dtype) : dtype_(dtype) {
  std::int64_t size = 0;
  parameters_ = lay_out(config, size);
  weight_arena_ = tensor::Arena(weight_bytes(config, dtype));
  const tensor::View masters = weight_arena_.take(base::DType::f32, {size});
  const tensor::View rounded = dtype == base::DType::bf16 ? weight_arena_.take(dtype, {size}) : tensor::View{};
  if (with_gradients) {
    gradient_arena_ = tensor::Arena(gradient_bytes(config));
    gradients_ = gradient_arena_.take(base::DType::f32, {size});
  }
  for (Parameter& parameter : parameters_) {
    const tensor::Shape shape = parameter.tile.extent;
    parameter.master = {masters.as<float>() + parameter.offset, shape};
    // Vectors are few, and biases and gains lose most by rounding: they stay f32.
    const bool round = !rounded.empty() && shape.num_dims() > 1;
    parameter.weight = round ? tensor::View(rounded.as<base::Bf16>() + parameter.offset, shape) : parameter.master;
    if (with_gradients) parameter.gradient = {gradients_.as<float>() + parameter.offset, shape};
  }
}

void Parameters::initialize(std::uint64_t seed, tensor::Device& device) {
  const base::PhiloxKey key = base::philox_key(seed, base::RandomStream::init);
  const int threads = device.threads();
  for (Parameter& parameter : parameters_) {
    const std::string& name = parameter.spec.name;
    const std::uint64_t tensor = base::name_hash(name.data(), name.data() + name.size());
    float* master = parameter.master.as<float>();
    const std::int64_t size = parameter.master.num_elements();
    const float stddev = parameter.spec.stddev;
    switch (parameter.spec.init) {
      case InitKind::zeros:
        std::fill_n(master, size, 0.0f);
        break;
      case InitKind::ones:
        std::fill_n(master, size, 1.0f);
        break;
      case InitKind::normal:
#pragma omp parallel for schedule(static) num_threads(threads)
        for (std::int64_t i = 0; i < size; ++i)  // the tile is the whole tensor: local index = global index
          master[i] = stddev * base::random_normal(key, tensor, static_cast<std::uint64_t>(i));
        break;
    }
  }
  round_weights(device);
}

void Parameters::round_weights(tensor::Device& device) {
  for (Parameter& parameter : parameters_)
    if (parameter.rounded()) tensor::round(device, parameter.master, parameter.weight);
}

const Parameter& Parameters::get(std::string_view name) const {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Parameter& p) { return p.spec.name == name; });
  if (found == parameters_.end()) throw std::logic_error(fmt::format("no parameter is named '{}'", name));
  return *found;
}

tensor::View Parameters::joined_weight(std::string_view name, int count) const {
  return joined(get(name).weight, count);
}

tensor::View Parameters::joined_gradient(std::string_view name, int count) const {
  return joined(get(name).gradient, count);
}

std::size_t Parameters::weight_bytes(const config::ModelConfig& config, base::DType dtype) {
  std::int64_t size = 0;
  lay_out(config, size);
  return static_cast<std::size_t>(size) *
         (sizeof(float) + (dtype == base::DType::bf16 ? base::size_bytes(dtype) : std::size_t{0}));
}

std::size_t Parameters::gradient_bytes(const config::ModelConfig& config) {
  return weight_bytes(config, base::DType::f32);
}

}  // namespace tessera::model
