// SPDX-License-Identifier: Apache-2.0
// A library for LD_PRELOAD that stands between a rank and the system's files: what the C library would do, and beside
// it what shim_state.hpp notes, delays, refuses or kills. Tessera and HDF5 write with these calls; they map no file for
// writing and duplicate no descriptor, so neither is watched here.
#include <cstdarg>
#include <cstdio>
#include <dlfcn.h>
#include <fcntl.h>
#include <memory>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "faults/shim_state.hpp"

namespace tessera::faults {
namespace {

using Kind = Operation::Kind;

/// The C library's own function of that name.
template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

mode_t mode_of(int flags, std::va_list arguments) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

template <class Call>
int open_file(int folder, const char* path, int flags, Call call) {
  Shim& shim = Shim::instance();
  const std::string full = shim.watched(folder, path);
  if (full.empty()) return call();
  Operation operation = shim.operation(Kind::open, full);
  operation.flags = flags;
  const int descriptor = shim.perform(operation, nullptr, call);
  if (descriptor >= 0) shim.add(descriptor, operation);
  return descriptor;
}

int flags_of(std::string_view mode) {
  const bool both = mode.find('+') != std::string_view::npos;
  if (mode.starts_with('r')) return both ? O_RDWR : O_RDONLY;
  return (both ? O_RDWR : O_WRONLY) | O_CREAT | (mode.starts_with('a') ? O_APPEND : O_TRUNC);
}

template <class Call>
std::FILE* open_stream(const char* path, const char* mode, Call call) {
  Shim& shim = Shim::instance();
  const std::string full = shim.watched(AT_FDCWD, path);
  if (full.empty()) return call();
  Operation operation = shim.operation(Kind::open, full);
  operation.flags = flags_of(mode);
  std::FILE* stream = nullptr;
  shim.perform(operation, nullptr, [&] {
    stream = call();
    return stream ? ::fileno(stream) : -1;
  });
  if (stream) shim.add(::fileno(stream), operation);
  return stream;
}

/// Where a write() will go.
off_t position(int descriptor, const Handle& handle) {
  struct stat status {};
  if ((handle.flags & O_APPEND) != 0) return ::fstat(descriptor, &status) == 0 ? status.st_size : 0;
  return ::lseek(descriptor, 0, SEEK_CUR);
}

template <class Call>
ssize_t write_at(int descriptor, const void* data, std::size_t size, off_t offset, Call call) {
  Shim& shim = Shim::instance();
  const std::shared_ptr<Handle> handle = shim.find(descriptor);
  return handle ? shim.write(*handle, data, size, offset, call) : call(size);
}

template <class Call>
ssize_t write_on(int descriptor, const void* data, std::size_t size, Call call) {
  Shim& shim = Shim::instance();
  const std::shared_ptr<Handle> handle = shim.find(descriptor);
  return handle ? shim.write(*handle, data, size, position(descriptor, *handle), call) : call(size);
}

/// The pieces of a vector as one.
std::string joined(const iovec* pieces, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return all;
}

/// An operation on a descriptor but open and write.
template <class Call>
int on_descriptor(Kind kind, int descriptor, std::int64_t offset, Call call) {
  Shim& shim = Shim::instance();
  const std::shared_ptr<Handle> handle = shim.find(descriptor);
  if (!handle) return call();
  Operation operation = shim.operation(kind, *handle);
  operation.offset = offset;
  if (kind == Kind::close) shim.forget(descriptor);  // before another thread is given the same number
  return shim.perform(operation, handle.get(), call);
}

template <class Call>
int on_path(Kind kind, int folder, const char* path, Call call, std::int64_t offset = 0) {
  Shim& shim = Shim::instance();
  const std::string full = shim.watched(folder, path);
  if (full.empty()) return call();
  Operation operation = shim.operation(kind, full);
  operation.offset = offset;
  return shim.perform(operation, nullptr, call);
}

template <class Call>
int rename_path(int from_folder, const char* from, int to_folder, const char* to, Call call) {
  Shim& shim = Shim::instance();
  const std::string full = shim.watched(from_folder, from);
  if (full.empty()) return call();
  Operation operation = shim.operation(Kind::rename, full);
  operation.target = shim.watched(to_folder, to);
  return shim.perform(operation, nullptr, call);
}

/// posix_fallocate() returns what others leave in errno.
template <class Call>
int allocate(int descriptor, off_t offset, off_t size, Call call) {
  int error = 0;
  const int result = on_descriptor(Kind::allocate, descriptor, offset + size, [&] {
    error = call();
    return error == 0 ? 0 : -1;
  });
  if (result == 0 || error != 0) return error;
  return errno;  // refused
}

}  // namespace
}  // namespace tessera::faults

using namespace tessera::faults;

extern "C" {

int open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  static const auto call = real<int(const char*, int, ...)>("open");
  return open_file(AT_FDCWD, path, flags, [&] { return call(path, flags, mode); });
}

int open64(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  static const auto call = real<int(const char*, int, ...)>("open64");
  return open_file(AT_FDCWD, path, flags, [&] { return call(path, flags, mode); });
}

int openat(int folder, const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  static const auto call = real<int(int, const char*, int, ...)>("openat");
  return open_file(folder, path, flags, [&] { return call(folder, path, flags, mode); });
}

int openat64(int folder, const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  static const auto call = real<int(int, const char*, int, ...)>("openat64");
  return open_file(folder, path, flags, [&] { return call(folder, path, flags, mode); });
}

int creat(const char* path, mode_t mode) {
  static const auto call = real<int(const char*, mode_t)>("creat");
  return open_file(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, [&] { return call(path, mode); });
}

int creat64(const char* path, mode_t mode) {
  static const auto call = real<int(const char*, mode_t)>("creat64");
  return open_file(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, [&] { return call(path, mode); });
}

std::FILE* fopen(const char* path, const char* mode) {
  static const auto call = real<std::FILE*(const char*, const char*)>("fopen");
  return open_stream(path, mode, [&] { return call(path, mode); });
}

std::FILE* fopen64(const char* path, const char* mode) {
  static const auto call = real<std::FILE*(const char*, const char*)>("fopen64");
  return open_stream(path, mode, [&] { return call(path, mode); });
}

ssize_t write(int descriptor, const void* data, std::size_t size) {
  static const auto call = real<ssize_t(int, const void*, std::size_t)>("write");
  return write_on(descriptor, data, size, [&](std::size_t n) { return call(descriptor, data, n); });
}

ssize_t writev(int descriptor, const iovec* pieces, int count) {
  static const auto vector = real<ssize_t(int, const iovec*, int)>("writev");
  static const auto call = real<ssize_t(int, const void*, std::size_t)>("write");
  if (!Shim::instance().find(descriptor)) return vector(descriptor, pieces, count);
  const std::string all = joined(pieces, count);
  return write_on(descriptor, all.data(), all.size(), [&](std::size_t n) { return call(descriptor, all.data(), n); });
}

ssize_t pwrite(int descriptor, const void* data, std::size_t size, off_t offset) {
  static const auto call = real<ssize_t(int, const void*, std::size_t, off_t)>("pwrite");
  return write_at(descriptor, data, size, offset, [&](std::size_t n) { return call(descriptor, data, n, offset); });
}

ssize_t pwrite64(int descriptor, const void* data, std::size_t size, off64_t offset) {
  static const auto call = real<ssize_t(int, const void*, std::size_t, off64_t)>("pwrite64");
  return write_at(descriptor, data, size, offset, [&](std::size_t n) { return call(descriptor, data, n, offset); });
}

ssize_t pwritev(int descriptor, const iovec* pieces, int count, off_t offset) {
  static const auto vector = real<ssize_t(int, const iovec*, int, off_t)>("pwritev");
  static const auto call = real<ssize_t(int, const void*, std::size_t, off_t)>("pwrite");
  if (!Shim::instance().find(descriptor)) return vector(descriptor, pieces, count, offset);
  const std::string all = joined(pieces, count);
  return write_at(descriptor, all.data(), all.size(), offset,
                  [&](std::size_t n) { return call(descriptor, all.data(), n, offset); });
}

ssize_t pwritev64(int descriptor, const iovec* pieces, int count, off64_t offset) {
  return pwritev(descriptor, pieces, count, offset);
}

int ftruncate(int descriptor, off_t size) noexcept {
  static const auto call = real<int(int, off_t)>("ftruncate");
  return on_descriptor(Kind::truncate, descriptor, size, [&] { return call(descriptor, size); });
}

int ftruncate64(int descriptor, off64_t size) noexcept {
  static const auto call = real<int(int, off64_t)>("ftruncate64");
  return on_descriptor(Kind::truncate, descriptor, size, [&] { return call(descriptor, size); });
}

int truncate(const char* path, off_t size) noexcept {
  static const auto call = real<int(const char*, off_t)>("truncate");
  return on_path(
      Kind::truncate, AT_FDCWD, path, [&] { return call(path, size); }, size);
}

int truncate64(const char* path, off64_t size) noexcept {
  static const auto call = real<int(const char*, off64_t)>("truncate64");
  return on_path(
      Kind::truncate, AT_FDCWD, path, [&] { return call(path, size); }, size);
}

int fallocate(int descriptor, int mode, off_t offset, off_t size) {
  static const auto call = real<int(int, int, off_t, off_t)>("fallocate");
  return on_descriptor(Kind::allocate, descriptor, mode == 0 ? offset + size : 0,
                       [&] { return call(descriptor, mode, offset, size); });
}

int fallocate64(int descriptor, int mode, off64_t offset, off64_t size) {
  return fallocate(descriptor, mode, offset, size);
}

int posix_fallocate(int descriptor, off_t offset, off_t size) {
  static const auto call = real<int(int, off_t, off_t)>("posix_fallocate");
  return allocate(descriptor, offset, size, [&] { return call(descriptor, offset, size); });
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t size) {
  return posix_fallocate(descriptor, offset, size);
}

int fsync(int descriptor) {
  static const auto call = real<int(int)>("fsync");
  return on_descriptor(Kind::sync, descriptor, 0, [&] { return call(descriptor); });
}

int fdatasync(int descriptor) {
  static const auto call = real<int(int)>("fdatasync");
  return on_descriptor(Kind::sync, descriptor, 0, [&] { return call(descriptor); });
}

int close(int descriptor) {
  static const auto call = real<int(int)>("close");
  return on_descriptor(Kind::close, descriptor, 0, [&] { return call(descriptor); });
}

int fclose(std::FILE* stream) {
  static const auto call = real<int(std::FILE*)>("fclose");
  return on_descriptor(Kind::close, ::fileno(stream), 0, [&] { return call(stream); });
}

int rename(const char* from, const char* to) noexcept {
  static const auto call = real<int(const char*, const char*)>("rename");
  return rename_path(AT_FDCWD, from, AT_FDCWD, to, [&] { return call(from, to); });
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
  static const auto call = real<int(int, const char*, int, const char*)>("renameat");
  return rename_path(from_folder, from, to_folder, to, [&] { return call(from_folder, from, to_folder, to); });
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
  static const auto call = real<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return rename_path(from_folder, from, to_folder, to, [&] { return call(from_folder, from, to_folder, to, flags); });
}

int unlink(const char* path) noexcept {
  static const auto call = real<int(const char*)>("unlink");
  return on_path(Kind::unlink, AT_FDCWD, path, [&] { return call(path); });
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  static const auto call = real<int(int, const char*, int)>("unlinkat");
  return on_path(Kind::unlink, folder, path, [&] { return call(folder, path, flags); });
}

int remove(const char* path) noexcept {
  static const auto call = real<int(const char*)>("remove");
  return on_path(Kind::unlink, AT_FDCWD, path, [&] { return call(path); });
}

int rmdir(const char* path) noexcept {
  static const auto call = real<int(const char*)>("rmdir");
  return on_path(Kind::unlink, AT_FDCWD, path, [&] { return call(path); });
}

int mkdir(const char* path, mode_t mode) noexcept {
  static const auto call = real<int(const char*, mode_t)>("mkdir");
  return on_path(Kind::make_folder, AT_FDCWD, path, [&] { return call(path, mode); });
}

int mkdirat(int folder, const char* path, mode_t mode) noexcept {
  static const auto call = real<int(int, const char*, mode_t)>("mkdirat");
  return on_path(Kind::make_folder, folder, path, [&] { return call(folder, path, mode); });
}

}  // extern "C"
