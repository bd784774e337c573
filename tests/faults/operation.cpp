// SPDX-License-Identifier: Apache-2.0
#include "faults/operation.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace tessera::faults {
namespace {

constexpr std::uint32_t kMagic = 0x54464c54;

/// The fixed part of a record; path, target and data follow.
struct Head {
  std::uint32_t magic = kMagic;
  std::int32_t rank = 0, flags = 0, kind = 0;
  std::uint64_t begin = 0, end = 0, handle = 0;
  std::int64_t result = 0, offset = 0;
  std::uint64_t path_bytes = 0, target_bytes = 0, data_bytes = 0;
};

}  // namespace

std::string to_bytes(const Operation& operation) {
  Head head;
  head.rank = operation.rank;
  head.flags = operation.flags;
  head.kind = static_cast<std::int32_t>(operation.kind);
  head.begin = operation.begin;
  head.end = operation.end;
  head.handle = operation.handle;
  head.result = operation.result;
  head.offset = operation.offset;
  head.path_bytes = operation.path.size();
  head.target_bytes = operation.target.size();
  head.data_bytes = operation.data.size();
  std::string bytes(sizeof head, '\0');
  std::memcpy(bytes.data(), &head, sizeof head);
  return bytes + operation.path + operation.target + operation.data;
}

std::vector<Operation> read_logs(const std::string& folder) {
  std::vector<Operation> operations;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    std::size_t at = 0;
    while (bytes.size() - at >= sizeof(Head)) {
      Head head;
      std::memcpy(&head, bytes.data() + at, sizeof head);
      if (head.magic != kMagic) throw std::runtime_error("'" + entry.path().string() + "' is no log of operations");
      at += sizeof head;
      if (bytes.size() - at < head.path_bytes + head.target_bytes + head.data_bytes) break;
      const auto take = [&](std::uint64_t size) {
        at += size;
        return bytes.substr(at - size, size);
      };
      Operation operation{static_cast<Operation::Kind>(head.kind),
                          head.rank,
                          head.begin,
                          head.end,
                          head.result,
                          head.handle,
                          head.flags,
                          head.offset,
                          "",
                          "",
                          ""};
      operation.path = take(head.path_bytes);
      operation.target = take(head.target_bytes);
      operation.data = take(head.data_bytes);
      operations.push_back(std::move(operation));
    }
  }
  std::sort(operations.begin(), operations.end(),
            [](const Operation& a, const Operation& b) { return a.begin < b.begin; });
  return operations;
}

}  // namespace tessera::faults
