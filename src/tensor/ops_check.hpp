// SPDX-License-Identifier: Apache-2.0
// What the operations in ops_*.cpp share: checks of their arguments, and conversion to kernel arguments.
#pragma once

#include <fmt/core.h>
#include <stdexcept>

#include "base/philox.hpp"
#include "tensor/cpu/args.hpp"
#include "tensor/cpu/kernels.hpp"
#include "tensor/ops.hpp"

namespace tessera::tensor {

/// Throws std::logic_error "operation: name has shape [..] f32, [..] f32 is needed" unless view fits.
inline void require_shape(const char* operation, const char* name, const View& view, Shape shape,
                          base::DType dtype = base::DType::f32) {
  if (view.shape() == shape && view.dtype() == dtype && (!view.empty() || shape.num_elements() == 0)) return;
  throw std::logic_error(fmt::format("{}: {} has shape {} {}{}, {} {} is needed", operation, name, view.shape().str(),
                                     base::name_of(view.dtype()), view.empty() ? " (empty)" : "", shape.str(),
                                     base::name_of(dtype)));
}

inline void require(const char* operation, bool holds, const char* rule) {
  if (!holds) throw std::logic_error(fmt::format("{}: {} is needed", operation, rule));
}

/// Columns of a view seen as [rows, columns] with dim 0 as rows.
inline std::int64_t columns_of(const View& view) {
  return view.extent(0) ? view.num_elements() / view.extent(0) : 0;
}

/// Calls f(T{}) for the element type T of `view`, float or Bf16.
template <class Function>
void with_element(const char* operation, base::DType dtype, Function f) {
  if (dtype == base::DType::f32)
    f(float{});
  else if (dtype == base::DType::bf16)
    f(base::Bf16{});
  else
    throw std::logic_error(fmt::format("{}: elements are {}, f32 or bf16 is needed", operation, base::name_of(dtype)));
}

/// For attention: without the rows.
inline cpu::DropoutArgs to_args(const char* operation, const Dropout& dropout) {
  cpu::DropoutArgs args{};
  args.active = dropout.rate > 0.0f;
  if (!args.active) return args;
  require(operation, dropout.rate < 1.0f, "a dropout rate below 1");
  const base::PhiloxKey key = base::philox_key(dropout.seed, base::RandomStream::dropout);
  args.key0 = key.k0;
  args.key1 = key.k1;
  args.threshold = static_cast<std::uint32_t>(static_cast<double>(dropout.rate) * 4294967296.0);
  args.site = dropout.site;
  args.keep_scale = 1.0f / (1.0f - dropout.rate);
  args.samples = dropout.samples.data();
  return args;
}

/// For an operation on `rows` rows, which must lie in the micro-batch.
inline cpu::DropoutArgs to_args(const char* operation, const Dropout& dropout, std::int64_t rows) {
  cpu::DropoutArgs args = to_args(operation, dropout);
  if (!args.active || rows == 0) return args;
  const auto samples = static_cast<std::int64_t>(dropout.samples.size());
  require(operation, samples > 0 && (dropout.rows_per_sample > 0 || rows % samples == 0),
          "one dropout sample index for each sequence");
  args.rows_per_sample = dropout.rows_per_sample > 0 ? dropout.rows_per_sample : rows / samples;
  args.first_row = dropout.first_row;
  require(operation, args.first_row >= 0 && args.first_row + rows <= samples * args.rows_per_sample,
          "a dropout sample index for every row");
  return args;
}

inline float* float_scratch(Device& device, std::int64_t elements) {
  return reinterpret_cast<float*>(device.scratch(static_cast<std::size_t>(elements) * sizeof(float)));
}

}  // namespace tessera::tensor
