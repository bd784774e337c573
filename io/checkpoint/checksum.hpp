// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "checkpoint/checkpoint.hpp"

namespace tessera::checkpoint {

/// Name of the attribute that holds the checksum of a dataset, or of the attributes of /run.
inline constexpr const char* checksum_attribute = "xxh3";

/// XXH3-64 as 16 hex digits.
std::string checksum(const void* data, std::size_t size_bytes);

/// Of all that RunState keeps in attributes; its long texts are datasets with checksums of their own.
std::string checksum_of_attributes(const RunState& state);

}  // namespace tessera::checkpoint
