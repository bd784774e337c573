// SPDX-License-Identifier: Apache-2.0
#include "metrics/lines.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fmt/core.h>
#include <fstream>
#include <unistd.h>

namespace tessera::metrics {
namespace {

/// A line that a crash or a full disk cut short must not join this one.
bool ends_within_a_line(int file) {
  const off_t size = ::lseek(file, 0, SEEK_END);
  char last = '\n';
  return size > 0 && ::pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

}  // namespace

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string append_line(const std::string& path, const json::Json& line) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) return fmt::format("cannot write to '{}': {}", path, std::strerror(errno));
  const std::string text = (ends_within_a_line(file) ? "\n" : "") + line.dump() + "\n";
  errno = ENOSPC;  // what a write that is too short means
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int cause = errno;
  ::close(file);
  return written ? "" : fmt::format("cannot write to '{}': {}", path, std::strerror(cause));
}

std::vector<std::string> last_lines(const std::string& path, std::int64_t max_bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file.seekg(0, std::ios::end)) return {};
  const std::int64_t size = file.tellg(), begin = std::max<std::int64_t>(0, size - max_bytes);
  std::string text(static_cast<std::size_t>(size - begin), '\0');
  file.seekg(begin);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  std::vector<std::string> lines;
  std::size_t at = begin == 0 ? 0 : text.find('\n') + 1;  // no whole line: npos + 1 = 0, refused below
  if (begin != 0 && at == 0) return {};
  for (std::size_t stop; (stop = text.find('\n', at)) != std::string::npos; at = stop + 1)
    lines.push_back(text.substr(at, stop - at));
  return lines;
}

}  // namespace tessera::metrics
