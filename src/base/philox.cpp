// SPDX-License-Identifier: Apache-2.0
#include "base/philox.hpp"

#include <bit>

namespace tessera::base {
namespace {

/// SplitMix64 (Steele et al. 2014): mixes seed and stream so that every bit of either reaches every bit of the key.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/// Natural logarithm for x in (0, 1], relative error below 1e-15: x = m 2^e with m in [sqrt(1/2), sqrt(2)), then
/// log m = 2 atanh((m - 1) / (m + 1)) by its odd series. Only + - * /, which IEEE 754 fixes bit for bit.
double portable_log(double x) {
  std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1022;
  double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFu) | 0x3FE0000000000000u);  // [0.5, 1)
  if (m < 0.70710678118654752440) {
    m = m + m;
    exponent -= 1;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double sum = 0.0;
  for (int k = 21; k >= 1; k -= 2) sum = sum * z + 1.0 / k;
  return 2.0 * s * sum + exponent * 0.69314718055994530942;
}

/// sin and cos of 2 pi u for u in [0, 1), by Taylor series on an eighth of the circle.
void portable_sincos_turn(double u, double& sine, double& cosine) {
  const double scaled = u * 4.0;
  const int quadrant = static_cast<int>(scaled + 0.5);  // nearest multiple of a quarter turn
  const double x = (scaled - quadrant) * 1.57079632679489661923;
  const double z = x * x;
  double s = 0.0, c = 0.0;
  for (int k = 17; k >= 1; k -= 2) s = 1.0 - s * z / ((k + 1) * (k + 2));
  for (int k = 16; k >= 0; k -= 2) c = 1.0 - c * z / ((k + 1) * (k + 2));
  s *= x;
  switch (quadrant & 3) {
    case 0:
      sine = s;
      cosine = c;
      break;
    case 1:
      sine = c;
      cosine = -s;
      break;
    case 2:
      sine = -s;
      cosine = -c;
      break;
    default:
      sine = -c;
      cosine = s;
      break;
  }
}

}  // namespace

PhiloxKey philox_key(std::uint64_t seed, RandomStream stream) {
  const std::uint64_t k = mix(mix(seed) ^ static_cast<std::uint64_t>(stream));
  return {static_cast<std::uint32_t>(k), static_cast<std::uint32_t>(k >> 32)};
}

std::uint64_t random_u64(PhiloxKey key, std::uint64_t index, std::uint64_t subindex) {
  std::uint32_t w[4];
  philox4x32(key, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
             static_cast<std::uint32_t>(subindex), static_cast<std::uint32_t>(subindex >> 32), w);
  return (std::uint64_t{w[1]} << 32) | w[0];
}

double random_uniform(PhiloxKey key, std::uint64_t index, std::uint64_t subindex) {
  return static_cast<double>(random_u64(key, index, subindex) >> 11) * 0x1.0p-53;
}

float random_normal(PhiloxKey key, std::uint64_t tensor, std::uint64_t index) {
  std::uint32_t w[4];
  philox4x32(key, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
             static_cast<std::uint32_t>(tensor), static_cast<std::uint32_t>(tensor >> 32), w);
  const std::uint64_t a = (std::uint64_t{w[1]} << 32) | w[0];
  const std::uint64_t b = (std::uint64_t{w[3]} << 32) | w[2];
  const double u = static_cast<double>((a >> 11) + 1) * 0x1.0p-53;  // (0, 1]: the logarithm is finite
  const double v = static_cast<double>(b >> 11) * 0x1.0p-53;
  double sine = 0.0, cosine = 0.0;
  portable_sincos_turn(v, sine, cosine);
  // IEEE 754 rounds the square root correctly, so it needs no polynomial of ours.
  return static_cast<float>(__builtin_sqrt(-2.0 * portable_log(u)) * cosine);
}

std::uint64_t name_hash(const char* begin, const char* end) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char* c = begin; c != end; ++c) hash = (hash ^ static_cast<unsigned char>(*c)) * 0x100000001B3u;
  return hash;
}

}  // namespace tessera::base
