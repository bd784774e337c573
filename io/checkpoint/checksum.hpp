// SPDX-License-Identifier: Apache-2.0
// Tensors, which many ranks write, have a sum that every rank adds its part to, so that it depends on the values and
// not on who held them. All other bytes, which one rank writes, have an XXH3-64 (user_block.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace tessera::checkpoint {

/// Names of the attributes of a tensor and of the group /model.
inline constexpr const char* sum_attribute = "sum64";
inline constexpr const char* digest_attribute = "digest";

/// 16 hex digits.
std::string hex(std::uint64_t value);

/// XXH3-64 as 16 hex digits.
std::string checksum(const void* data, std::size_t size_bytes);

/// What `num_elements` values from global element `first` on add to the sum64 of their tensor:
///   sum64 = sum over all elements, modulo 2^64, of mix(index * 0x9e3779b97f4a7c15 + bits of the f32)
/// with the row-major index and Stafford's mix 13. Whatever the cut, the parts add up to the same.
/// - One changed element always changes the sum: for a given index the word is another for all other bits, and the mix
///   is a bijection, so exactly one term changes.
/// - Swapped elements, a zeroed or moved block, and anything else that changes several terms go unnoticed once in 2^64:
///   each bit of a word reaches every bit of its term, so terms do not cancel but by chance. A plain sum of the bits
///   would not see a swap, and one of bits * weight not that the errors of two places balance.
/// It guards against accidents, not against forgers.
std::uint64_t sum_of_elements(const float* values, std::int64_t num_elements, std::int64_t first);

/// One line of digest(): "/model/final.bias [64] 0123456789abcdef\n".
std::string digest_line(const std::string& path, const std::vector<std::uint64_t>& shape, const std::string& sum);

/// One digest of a model: checksum() of the lines of all its tensors in order. Equal digests mean equal weights.
std::string digest(std::vector<std::string> lines);

}  // namespace tessera::checkpoint
