// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/config.hpp"

namespace tessera::train {

/// Floating-point operations of forward and backward for one token of sequences of config.context tokens. N =
/// parameters, without a token embedding that is only looked up (untied head). A banded layer counts the keys that its
/// window lets a query see, in both conventions.
struct FlopsPerToken {
  double causal;  ///< 6N + 6 L H T: what a causal model must compute
  double palm;    ///< 6N + 12 L H T: the convention of PaLM (Chowdhery et al. 2022), appendix B
};

FlopsPerToken flops_per_token(const config::ModelConfig& config);

}  // namespace tessera::train
