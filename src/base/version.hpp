// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tessera::base {

/// "0.1.0"
const char* version();
/// Compiler and build type: "g++ 12.2.0, Release"
const char* build_description();

}  // namespace tessera::base
