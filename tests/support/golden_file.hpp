// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/tensor.hpp"

namespace tessera::testing {

/// A file of tests/golden/data, as scripts/make_golden.py writes it.
struct GoldenFile {
  std::int64_t layers = 0, hidden = 0, heads = 0, context = 0, vocab = 0;
  std::string activation;
  bool tied = false;
  std::int64_t batch = 0, length = 0;  ///< B, T

  std::vector<std::int32_t> tokens, targets;  ///< [B, T]; target -1 = ignored
  Tensor logits;                              ///< [B, T, V]
  double loss = 0;                            ///< mean over the targets that are not ignored, nats
  Tensors weights, gradients;                 ///< gradients of that mean

  /// Ten updates with the same batch.
  struct AdamW {
    double lr = 0, beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0, clip_norm = 0;
    std::vector<double> loss, grad_norm;  ///< [steps] before each update
    Tensors weights;                      ///< after the last
  } adamw;

  /// Number of targets that are not ignored.
  std::int64_t num_targets() const;
};

/// Another run of the weights of a GoldenFile: with banded attention, or rounded to bf16 where Tessera rounds
/// (scripts/bf16_emulation.py).
struct GoldenVariant {
  std::int64_t window = 0;                    ///< of the odd layers, 0: dense
  std::vector<std::int32_t> tokens, targets;  ///< [B, T]; B = 1 in bf16
  Tensor logits;                              ///< [B, T, V]
  double loss = 0;
  Tensors gradients;

  /// bf16 only: how far PyTorch's autocast is from float64 on some sequences, each of them a batch. Roots of sums of
  /// squares over all sequences, of the logits and of each gradient.
  struct Autocast {
    std::vector<std::int32_t> tokens, targets;  ///< [sequences, T]
    double logits_error = 0;
    std::map<std::string, double> errors;
  } autocast;
};

/// Both throw base::Error naming the file and the object that is missing or has another type.
GoldenFile read_golden_file(const std::string& path);
GoldenVariant read_golden_variant(const std::string& path);

}  // namespace tessera::testing
