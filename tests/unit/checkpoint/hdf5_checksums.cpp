// SPDX-License-Identifier: Apache-2.0
#include "unit/checkpoint/hdf5_checksums.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tessera::checkpoint {
namespace {

constexpr std::size_t kChecksumBytes = 4, kMostSpanBytes = 4096;

std::uint32_t word_at(const char* data, std::size_t size_bytes) {
  std::uint32_t word = 0;
  std::memcpy(&word, data, std::min(size_bytes, sizeof word));
  return word;
}

std::uint32_t checksum_of(std::string span, std::size_t hole) {
  if (hole < span.size()) span.replace(hole, kChecksumBytes, kChecksumBytes, '\0');
  return lookup3(span.data(), span.size());
}

/// The span that begins at a signature: up to its checksum, or of a usual size with the checksum inside.
bool find_end(const std::string& file, GuardedSpan& span) {
  const std::size_t most = std::min(file.size() - kChecksumBytes, span.first + kMostSpanBytes);
  for (span.end = span.first + 8; span.end < most; ++span.end)
    if (lookup3(file.data() + span.first, span.end - span.first) == word_at(file.data() + span.end, kChecksumBytes)) {
      span.checksum = span.end;
      return true;
    }
  for (const std::size_t size : {512u, 1024u, 2048u, 4096u})
    for (std::size_t hole = 8; hole < 32 && span.first + size <= file.size(); ++hole)
      if (checksum_of(file.substr(span.first, size), hole) ==
          word_at(file.data() + span.first + hole, kChecksumBytes)) {
        span.end = span.first + size;
        span.checksum = span.first + hole;
        return true;
      }
  return false;
}

}  // namespace

std::uint32_t lookup3(const char* data, std::size_t size_bytes) {
  std::uint32_t a = 0xdeadbeef + static_cast<std::uint32_t>(size_bytes), b = a, c = a;
  const auto step = [](std::uint32_t& x, std::uint32_t& y, std::uint32_t& z, int shift) {
    x = (x - z) ^ std::rotl(z, shift);
    z += y;
  };
  for (; size_bytes > 12; size_bytes -= 12, data += 12) {
    a += word_at(data, 4);
    b += word_at(data + 4, 4);
    c += word_at(data + 8, 4);
    step(a, b, c, 4);
    step(b, c, a, 6);
    step(c, a, b, 8);
    step(a, b, c, 16);
    step(b, c, a, 19);
    step(c, a, b, 4);
  }
  if (size_bytes == 0) return c;
  a += word_at(data, size_bytes);
  if (size_bytes > 4) b += word_at(data + 4, size_bytes - 4);
  if (size_bytes > 8) c += word_at(data + 8, size_bytes - 8);
  const auto finish = [](std::uint32_t& x, std::uint32_t y, int shift) { x = (x ^ y) - std::rotl(y, shift); };
  finish(c, b, 14);
  finish(a, c, 11);
  finish(b, a, 25);
  finish(c, b, 16);
  finish(a, c, 4);
  finish(b, a, 14);
  finish(c, b, 24);
  return c;
}

std::vector<GuardedSpan> find_guarded_spans(const std::string& file) {
  std::vector<GuardedSpan> spans;
  for (const std::string signature :
       {"\x89HDF\r\n\x1a\n", "OHDR", "OCHK", "FRHP", "FHDB", "FHIB", "BTHD", "BTIN", "BTLF"})
    for (std::size_t at = file.find(signature); at != std::string::npos; at = file.find(signature, at + 1))
      if (GuardedSpan span{at}; find_end(file, span)) spans.push_back(span);
  return spans;
}

void repair(std::string& file, const GuardedSpan& span) {
  const std::uint32_t sum = checksum_of(file.substr(span.first, span.end - span.first), span.checksum - span.first);
  std::memcpy(file.data() + span.checksum, &sum, sizeof sum);
}

}  // namespace tessera::checkpoint
