// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/file_reader.hpp"

namespace tessera::checkpoint {

/// Of the finite values of a tensor; 0 if there are none.
struct Statistics {
  double norm = 0;  ///< L2
  double mean = 0;
  float least = 0, most = 0;
  std::int64_t num_nonfinite = 0;
  std::string sum;  ///< sum64 of what was read: the tensor is sound if that is its own
};

/// Reads a tensor once, in pieces.
Statistics statistics_of(const FileReader& file, const FileReader::Tensor& tensor);

}  // namespace tessera::checkpoint
