// SPDX-License-Identifier: Apache-2.0
#include "faults/tmpfs.hpp"

#include <filesystem>
#include <stdexcept>
#include <sys/mount.h>

namespace tessera::faults {

std::unique_ptr<Tmpfs> Tmpfs::mount(const std::string& folder, std::uint64_t size_bytes) {
  std::filesystem::create_directories(folder);
  const std::string options = "size=" + std::to_string(size_bytes);
  if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, options.c_str()) != 0) return nullptr;
  return std::unique_ptr<Tmpfs>(new Tmpfs(folder));
}

void Tmpfs::resize(std::uint64_t size_bytes) {
  const std::string options = "size=" + std::to_string(size_bytes);
  if (::mount("tmpfs", folder_.c_str(), "tmpfs", MS_REMOUNT, options.c_str()) != 0)
    throw std::runtime_error("'" + folder_ + "' cannot be given more room");
}

Tmpfs::~Tmpfs() {
  ::umount2(folder_.c_str(), MNT_DETACH);
}

}  // namespace tessera::faults
