// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace tessera::faults {

/// A file system in memory at a folder, gone with its contents when this is destroyed.
class Tmpfs {
 public:
  /// nullptr where this process may not mount. The folder is created.
  static std::unique_ptr<Tmpfs> mount(const std::string& folder, std::uint64_t size_bytes);
  ~Tmpfs();
  Tmpfs(const Tmpfs&) = delete;
  Tmpfs& operator=(const Tmpfs&) = delete;

  /// Throws std::runtime_error if the system refuses.
  void resize(std::uint64_t size_bytes);

 private:
  explicit Tmpfs(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

}  // namespace tessera::faults
