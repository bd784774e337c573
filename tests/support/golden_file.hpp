// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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

/// Throws base::Error naming the file and the object that is missing or has another type.
GoldenFile read_golden_file(const std::string& path);

}  // namespace tessera::testing
