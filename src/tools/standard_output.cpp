// SPDX-License-Identifier: Apache-2.0
#include "tools/standard_output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/core.h>
#include <string>
#include <unistd.h>

namespace tessera::tools {

void claim_standard_files() {
  // The lowest free number is taken. Opened the wrong way round, so that use fails; errors must not fail.
  const int flags[] = {O_WRONLY, O_RDONLY, O_WRONLY};
  for (int file = 0; file < 3; ++file)
    if (::fcntl(file, F_GETFD) < 0 && errno == EBADF && ::open("/dev/null", flags[file]) < 0) return;
}

bool flush_standard_output() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  const std::string reason = errno ? std::string(": ") + std::strerror(errno) : "";
  std::fputs(fmt::format("error: standard output could not be written{}\n", reason).c_str(), stderr);
  return false;
}

}  // namespace tessera::tools
