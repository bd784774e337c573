// SPDX-License-Identifier: Apache-2.0
#include "faults/shared_page.hpp"

#include <fcntl.h>
#include <new>
#include <stdexcept>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace tessera::faults {

SharedFile SharedFile::create(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(SharedPage)) != 0)
    throw std::runtime_error("cannot make '" + path + "', the page that ranks and harness share");
  void* memory = ::mmap(nullptr, sizeof(SharedPage), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) throw std::runtime_error("cannot map '" + path + "'");
  return SharedFile(new (memory) SharedPage{});
}

SharedFile::SharedFile(SharedFile&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}

void SharedFile::clear() {
  new (page_) SharedPage{};
}

SharedFile::~SharedFile() {
  if (page_) ::munmap(page_, sizeof(SharedPage));
}

}  // namespace tessera::faults
