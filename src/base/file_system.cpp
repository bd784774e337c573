// SPDX-License-Identifier: Apache-2.0
#include "base/file_system.hpp"

#include <filesystem>
#include <fmt/core.h>
#include <sys/vfs.h>
#include <utility>

#include "base/units.hpp"

namespace tessera::base {
namespace {

namespace fs = std::filesystem;

/// statfs(2), f_type; those of parallel file systems are of their own headers.
constexpr std::pair<std::uint32_t, const char*> kNames[] = {
    {0x0BD00BD0, "Lustre"},  {0x47504653, "GPFS"},    {0x19830326, "BeeGFS"}, {0x00C36400, "CephFS"},
    {0xAAD7AAEA, "PanFS"},   {0x6969, "NFS"},         {0xEF53, "ext4"},       {0x58465342, "XFS"},
    {0x9123683E, "Btrfs"},   {0x2FC12FC1, "ZFS"},     {0x01021994, "tmpfs"},  {0x858458F6, "ramfs"},
    {0x794C7630, "overlay"}, {0x65735546, "FUSE"},    {0xFE534D42, "SMB"},    {0xFF534D42, "CIFS"},
    {0x01021997, "9P"},      {0x73717368, "squashfs"}};

}  // namespace

FileSystem file_system_of(const std::string& path) {
  struct statfs about {};
  std::error_code error;
  fs::path at = fs::absolute(path, error);
  while (::statfs(at.c_str(), &about) != 0) {
    if (error || !at.has_relative_path()) return {};
    at = at.parent_path();
  }
  const auto type = static_cast<std::uint32_t>(about.f_type);
  FileSystem found{fmt::format("{:#x}", type),
                   static_cast<std::uint64_t>(about.f_bavail) * static_cast<std::uint64_t>(about.f_bsize)};
  for (const auto& [number, name] : kNames)
    if (number == type) found.name = name;
  return found;
}

std::string describe(const FileSystem& file_system) {
  if (file_system.name.empty()) return "on an unknown file system";
  return fmt::format("on {}, {} free", file_system.name, format_bytes(file_system.free_bytes));
}

}  // namespace tessera::base
