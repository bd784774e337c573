// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cassert>
#include <cstddef>
#include <span>

#include "base/dtype.hpp"
#include "tensor/shape.hpp"

namespace tessera::tensor {

/// A contiguous row-major tensor in memory that somebody else owns. Copying a View copies the reference.
/// The element type is a run-time tag, so that the model is written once for every precision.
class View {
 public:
  View() = default;
  View(void* data, base::DType dtype, Shape shape) : data_(data), dtype_(dtype), shape_(shape) {}
  template <class T>
  View(T* data, Shape shape) : View(data, base::DTypeOf<T>::value, shape) {}

  bool empty() const { return data_ == nullptr; }
  base::DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t extent(int dim) const { return shape_[dim]; }
  std::int64_t num_elements() const { return shape_.num_elements(); }
  std::size_t size_bytes() const { return static_cast<std::size_t>(num_elements()) * base::size_bytes(dtype_); }

  template <class T>
  T* as() const {
    assert(base::DTypeOf<T>::value == dtype_);
    return static_cast<T*>(data_);
  }
  void* data() const { return data_; }

  template <class T>
  std::span<T> span() const {
    return {as<T>(), static_cast<std::size_t>(num_elements())};
  }

  /// The same memory under another shape of as many elements.
  View reshaped(Shape shape) const {
    assert(shape.num_elements() == num_elements());
    return {data_, dtype_, shape};
  }

  /// Rows [first, first + count) of dim 0.
  View rows(std::int64_t first, std::int64_t count) const {
    assert(first >= 0 && first + count <= shape_[0]);
    Shape shape = shape_;
    shape.set(0, count);
    if (empty()) return {nullptr, dtype_, shape};  // of an arena that only measures
    const std::int64_t row = shape_[0] ? num_elements() / shape_[0] : 0;
    return {static_cast<std::byte*>(data_) + static_cast<std::size_t>(first * row) * base::size_bytes(dtype_), dtype_,
            shape};
  }

 private:
  void* data_ = nullptr;
  base::DType dtype_ = base::DType::f32;
  Shape shape_;
};

}  // namespace tessera::tensor
