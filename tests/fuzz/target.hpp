// SPDX-License-Identifier: Apache-2.0
// What targets share. Each is a file that defines LLVMFuzzerTestOneInput(), and has a folder of seeds in corpus/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

/// Handles one input. Anything thrown is a finding.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tessera::fuzz {

inline void require(bool holds, const char* what) {
  if (!holds) throw std::logic_error(std::string("does not hold: ") + what);
}

}  // namespace tessera::fuzz
