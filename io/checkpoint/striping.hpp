// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tessera::checkpoint {

/// What Lustre is told of the layout of new files in a folder: struct lov_user_md_v1 of its public user interface
/// (lustre_user.h), stripes of 1 MiB dealt out in turn, the servers its own choice.
struct LustreLayout {
  std::uint32_t magic = 0x0BD10BD0, pattern = 1;
  std::uint64_t object_id = 0, object_sequence = 0;
  std::uint32_t stripe_bytes = std::uint32_t{1} << 20;
  std::uint16_t stripe_count = 0;
  std::uint16_t first_server = 0xFFFF;  // any
};
static_assert(sizeof(LustreLayout) == 32);

/// Makes new files in `dir` lie over `count` storage servers, if it is on Lustre. False if it is not. Throws
/// base::SystemError naming folder and cause if Lustre refuses.
bool set_striping(const std::string& dir, std::int64_t count);

}  // namespace tessera::checkpoint
