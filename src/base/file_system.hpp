// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tessera::base {

struct FileSystem {
  std::string name;              ///< "Lustre", "NFS", "ext4", "tmpfs"; a number of the kernel if it is none we know
  std::uint64_t free_bytes = 0;  ///< for this user
};

/// The file system that holds `path`, or its nearest folder that exists. Without a name if it cannot be examined.
FileSystem file_system_of(const std::string& path);

/// "on ext4, 12.5 GiB free"
std::string describe(const FileSystem& file_system);

}  // namespace tessera::base
