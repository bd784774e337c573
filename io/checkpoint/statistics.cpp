// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "checkpoint/checksum.hpp"

namespace tessera::checkpoint {

Statistics statistics_of(const FileReader& file, const FileReader::Tensor& tensor) {
  Statistics result;
  result.least = std::numeric_limits<float>::infinity();
  result.most = -result.least;
  double total = 0, squares = 0;
  std::uint64_t sum = 0;
  file.for_each_piece(tensor, [&](std::int64_t first, std::span<const float> values) {
    sum += sum_of_elements(values.data(), static_cast<std::int64_t>(values.size()), first);
    for (const float value : values) {
      if (!std::isfinite(value)) {
        ++result.num_nonfinite;
        continue;
      }
      total += value;
      squares += double{value} * value;
      result.least = std::min(result.least, value);
      result.most = std::max(result.most, value);
    }
  });
  const std::int64_t num_finite = tensor.num_elements() - result.num_nonfinite;
  if (num_finite == 0) result.least = result.most = 0;
  result.norm = std::sqrt(squares);
  result.mean = total / static_cast<double>(std::max<std::int64_t>(num_finite, 1));
  result.sum = hex(sum);
  return result;
}

}  // namespace tessera::checkpoint
