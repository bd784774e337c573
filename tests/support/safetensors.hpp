// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "support/tensor.hpp"

namespace tessera::testing {

/// All tensors of a safetensors file of F32: 8 bytes little-endian header size, a JSON header, the values. Throws
/// std::runtime_error (or base::Error for bad JSON) naming the file and the tensor on another dtype or offsets that do
/// not fit.
Tensors read_safetensors(const std::string& path);

}  // namespace tessera::testing
