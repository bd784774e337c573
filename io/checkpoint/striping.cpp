// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/striping.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.hpp"

namespace tessera::checkpoint {

namespace {
constexpr long kLustre = 0x0BD00BD0;  // statfs: f_type
}

bool set_striping(const std::string& dir, std::int64_t count) {
  struct statfs about {};
  if (::statfs(dir.c_str(), &about) != 0) base::fail_system("cannot examine '{}': {}", dir, std::strerror(errno));
  if (static_cast<long>(about.f_type) != kLustre) return false;
  LustreLayout layout;
  layout.stripe_count = static_cast<std::uint16_t>(count);
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool done = fd >= 0 && ::ioctl(fd, _IOW('f', 154, long), &layout) == 0;  // LL_IOC_LOV_SETSTRIPE
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!done)
    base::fail_system("checkpoint.stripe = {}: Lustre refuses it for '{}': {}. Lower it, or set 0", count, dir,
                      std::strerror(error));
  return true;
}

}  // namespace tessera::checkpoint
