// SPDX-License-Identifier: Apache-2.0
// Each activation as z times a gate: f(z) = z g(z), f'(z) = g(z) + z g'(z).
#include "tensor/cpu/kernels/element.hpp"
#include "tensor/cpu/kernels/kernels_isa.hpp"

namespace tessera::tensor::cpu::TESSERA_ISA {
namespace {

struct Gate {
  float value, slope;
};

TESSERA_INLINE float sigmoid(float x) {
  return 1.0f / (1.0f + exp_fast(-x));
}

/// Hendrycks & Gimpel 2016, tanh form: 0.5 (1 + tanh u) = sigmoid(2u), which keeps its digits for negative z.
struct GeluTanh {
  TESSERA_INLINE Gate gate(float z) {
    constexpr float k = 0.7978845608028654f, c = 0.044715f;  // sqrt(2 / pi)
    const float s = sigmoid(2.0f * k * z * (1.0f + c * z * z));
    return {s, s * (1.0f - s) * 2.0f * k * (1.0f + 3.0f * c * z * z)};
  }
};

/// Normal distribution function by the complementary error function of Press et al., Numerical Recipes, section 6.2
/// (relative error below 1.2e-7).
struct Gelu {
  TESSERA_INLINE Gate gate(float z) {
    const float x = __builtin_fabsf(z) * 0.7071067811865476f;
    const float t = 1.0f / (1.0f + 0.5f * x);
    float p = 0.17087277f;
    p = p * t - 0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t - 1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t - 0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t - 1.26551223f;
    const float half_erfc = 0.5f * t * exp_fast(p - x * x);
    const float density = 0.3989422804014327f * exp_fast(-0.5f * z * z);
    return {z > 0.0f ? 1.0f - half_erfc : half_erfc, density};
  }
};

struct Silu {
  TESSERA_INLINE Gate gate(float z) {
    const float s = sigmoid(z);
    return {s, s * (1.0f - s)};
  }
};

/// NaN passes (z > 0 is false, z * 0 stays NaN).
struct Relu {
  TESSERA_INLINE Gate gate(float z) { return {z > 0.0f ? 1.0f : 0.0f, 0.0f}; }
};

template <class Kind, class T>
void forward(std::int64_t size, const T* z, T* y, int threads) {
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < size; ++i) {
    const float input = load(z[i]);
    store(y[i], input * Kind::gate(input).value);
  }
}

template <class Kind, class T>
void backward(std::int64_t size, const T* z, const T* dy, T* dz, int threads) {
#pragma omp parallel for simd schedule(simd : static) num_threads(threads)
  for (std::int64_t i = 0; i < size; ++i) {
    const float input = load(z[i]);
    const Gate gate = Kind::gate(input);
    store(dz[i], load(dy[i]) * (gate.value + input * gate.slope));
  }
}

}  // namespace

template <class T>
void activation_forward(Activation kind, std::int64_t size, const T* z, T* y, int threads) {
  switch (kind) {
    case Activation::gelu_tanh:
      return forward<GeluTanh>(size, z, y, threads);
    case Activation::gelu:
      return forward<Gelu>(size, z, y, threads);
    case Activation::relu:
      return forward<Relu>(size, z, y, threads);
    case Activation::silu:
      return forward<Silu>(size, z, y, threads);
  }
}

template <class T>
void activation_backward(Activation kind, std::int64_t size, const T* z, const T* dy, T* dz, int threads) {
  switch (kind) {
    case Activation::gelu_tanh:
      return backward<GeluTanh>(size, z, dy, dz, threads);
    case Activation::gelu:
      return backward<Gelu>(size, z, dy, dz, threads);
    case Activation::relu:
      return backward<Relu>(size, z, dy, dz, threads);
    case Activation::silu:
      return backward<Silu>(size, z, dy, dz, threads);
  }
}

template void activation_forward(Activation, std::int64_t, const float*, float*, int);
template void activation_forward(Activation, std::int64_t, const Bf16*, Bf16*, int);
template void activation_backward(Activation, std::int64_t, const float*, const float*, float*, int);
template void activation_backward(Activation, std::int64_t, const Bf16*, const Bf16*, Bf16*, int);

}  // namespace tessera::tensor::cpu::TESSERA_ISA
