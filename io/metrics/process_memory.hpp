// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tessera::metrics {

/// Highest resident memory of this process so far in bytes (VmHWM of /proc/self/status); 0 if the system does not say.
std::int64_t peak_memory_bytes();

/// Resident memory of this process now in bytes (VmRSS); 0 if the system does not say.
std::int64_t resident_memory_bytes();

/// Starts that peak again from what is resident now. Does nothing where the system does not allow it.
void reset_peak_memory();

}  // namespace tessera::metrics
