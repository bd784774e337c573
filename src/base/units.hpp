// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::base {

/// Parses a count: "1000", "2e4", "300B" (10^9), "1.5M", "20k". Throws UsageError naming the text and the accepted
/// forms.
std::int64_t parse_count(std::string_view text);

/// Parses a size in bytes: "1048576", "64MiB", "2GB". Throws UsageError.
std::int64_t parse_bytes(std::string_view text);

/// Parses a duration in seconds: "90", "90s", "5m", "2h", "1.5d". Throws UsageError.
double parse_seconds(std::string_view text);

/// "1.50 GiB", "12 B".
std::string format_bytes(std::uint64_t bytes);
/// "124,439,808".
std::string format_count(std::uint64_t count);
/// "1.2k", "3.4M" for progress lines.
std::string format_short(double value);
/// "1h02m", "3m20s", "12s".
std::string format_seconds(double seconds);

}  // namespace tessera::base
