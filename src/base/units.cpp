// SPDX-License-Identifier: Apache-2.0
#include "base/units.hpp"

#include <charconv>
#include <cmath>
#include <fmt/core.h>
#include <span>

#include "base/error.hpp"

namespace tessera::base {
namespace {

struct Unit {
  std::string_view suffix;
  double factor;
};

constexpr Unit kCountUnits[] = {{"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"B", 1e9}, {"T", 1e12}};
constexpr Unit kByteUnits[] = {
    {"", 1},      {"B", 1},        {"kB", 1e3},        {"MB", 1e6},           {"GB", 1e9},
    {"TB", 1e12}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0}};
constexpr Unit kTimeUnits[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};

double parse(std::string_view text, std::span<const Unit> units, const char* what, const char* example) {
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && number >= 0) {
    const std::string_view suffix(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
    for (const Unit& unit : units)
      if (unit.suffix == suffix) return number * unit.factor;
  }
  fail_usage("'{}' is not {}; write it like {}", text, what, example);
}

std::int64_t whole(double value, std::string_view text, const char* what) {
  if (value > 9.0e18 || value != std::floor(value)) fail_usage("'{}' is not a whole number of {}", text, what);
  return static_cast<std::int64_t>(value);
}

}  // namespace

std::int64_t parse_count(std::string_view text) {
  std::int64_t exact = 0;  // beyond 2^53 a double would round
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), exact);
  if (error == std::errc{} && rest == text.data() + text.size() && exact >= 0) return exact;
  return whole(parse(text, kCountUnits, "a count", "1000, 20k, 1.5M or 300B"), text, "units");
}

std::int64_t parse_bytes(std::string_view text) {
  return whole(parse(text, kByteUnits, "a size", "1048576, 64MiB or 2GB"), text, "bytes");
}

double parse_seconds(std::string_view text) {
  return parse(text, kTimeUnits, "a duration", "90, 90s, 5m or 2h");
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr const char* names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 5) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", value, names[unit]);
}

std::string format_count(std::uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string format_short(double value) {
  constexpr const char* names[] = {"", "k", "M", "B", "T", "P"};
  int unit = 0;
  while (value >= 1000 && unit < 5) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f}{}", value, value < 10 && unit > 0 ? 2 : (value < 100 && unit > 0 ? 1 : 0), names[unit]);
}

std::string format_seconds(double seconds) {
  const auto s = static_cast<long>(seconds + 0.5);
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h{:02}m", s / 3600, s % 3600 / 60);
  return fmt::format("{}d{:02}h", s / 86400, s % 86400 / 3600);
}

}  // namespace tessera::base
