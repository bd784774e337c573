// SPDX-License-Identifier: Apache-2.0
#include "data/token_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/core.h>
#include <fstream>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "base/philox.hpp"
#include "hdf5/hdf5.hpp"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRemedy = "make it with `tessera data prepare`";

bool has_hdf5_signature(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char signature[8] = {};
  file.read(signature, sizeof signature);
  return std::memcmp(signature, "\x89HDF\r\n\x1a\n", sizeof signature) == 0;
}

/// Opens the HDF5 file with our own words for what can be wrong with it.
hdf5::File open_hdf5(const std::string& path) {
  if (!fs::exists(path)) base::fail_usage("token file '{}' does not exist: {}", path, kRemedy);
  if (!has_hdf5_signature(path)) base::fail_usage("'{}' is not a token file (no HDF5 signature): {}", path, kRemedy);
  try {
    return hdf5::File::open_read_only(path);
  } catch (const base::Error& error) {
    base::fail_usage("token file '{}' is damaged or cut short ({}): copy it again, or {}", path, error.what(), kRemedy);
  }
}

/// What HDF5 makes of changed bytes, and the sizes that they ask for, are errors of the file.
template <class Read>
auto or_damaged(const std::string& path, Read read) {
  try {
    return read();
  } catch (const base::UsageError&) {
    throw;
  } catch (const base::SystemError&) {
    throw;
  } catch (const std::exception& error) {
    base::fail_usage("token file '{}' is damaged ({}): copy it again, or {}", path, error.what(), kRemedy);
  }
}

void check_header(const hdf5::File& file, const std::string& path) {
  if (!file.has_attribute("/", "format") || file.string_attribute("/", "format") != token_file_format)
    base::fail_usage("'{}' is an HDF5 file, but no token file: {}", path, kRemedy);
  const std::int64_t version = file.int_attribute("/", "version");
  if (version > token_file_version)
    base::fail_usage("token file '{}' has version {}, this Tessera reads up to {}: use a newer Tessera, or {}", path,
                     version, token_file_version, kRemedy);
}

}  // namespace

TokenFile TokenFile::open(const std::string& path) {
  return or_damaged(path, [&] { return open_sound(path); });
}

TokenFile TokenFile::open_sound(const std::string& path) {
  const hdf5::File file = open_hdf5(path);
  check_header(file, path);
  TokenFile result;
  result.path_ = path;
  result.fingerprint_ = file.string_attribute("/", "fingerprint");
  result.vocab_size_ = file.int_attribute("/", "vocab");
  result.text_bytes_ = static_cast<std::uint64_t>(file.int_attribute("/", "text_bytes"));
  const hdf5::DatasetInfo tokens = file.info("/tokens"), documents = file.info("/documents");
  if (!tokens.contiguous || tokens.shape.size() != 1 ||
      (tokens.type != hdf5::Type::u16 && tokens.type != hdf5::Type::u32))
    base::fail_usage("token file '{}' is foreign: /tokens must be one contiguous row of u16 or u32; {}", path, kRemedy);
  result.num_tokens_ = static_cast<std::int64_t>(tokens.shape[0]);
  result.element_bytes_ = static_cast<int>(hdf5::size_bytes(tokens.type));
  const std::uint64_t end = tokens.file_offset + tokens.shape[0] * static_cast<std::uint64_t>(result.element_bytes_);
  if (const std::uint64_t size = fs::file_size(path); size < end)
    base::fail_usage("token file '{}' is cut short: {} bytes, its header needs {}; copy it again, or {}", path, size,
                     end, kRemedy);
  for (const hdf5::DatasetInfo& part : {file.info("/tokenizer"), documents})  // what the next lines allocate
    for (const std::uint64_t extent : part.shape)
      if (extent > fs::file_size(path)) base::fail("{} is larger than the file", part.path);
  result.tokenizer_text_ = file.read_text("/tokenizer");
  if (documents.shape.size() != 1 || documents.type != hdf5::Type::u64)
    base::fail_usage("token file '{}' is foreign: /documents must be one row of u64; {}", path, kRemedy);
  result.documents_.resize(documents.shape[0]);
  file.read("/documents", result.documents_.data(), result.documents_.size() * sizeof(std::uint64_t));

  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) base::fail_usage("token file '{}' cannot be read: {}", path, std::strerror(errno));
  result.map_bytes_ = end;
  void* map = ::mmap(nullptr, result.map_bytes_, PROT_READ, MAP_SHARED, descriptor, 0);
  const int error = errno;
  ::close(descriptor);
  if (map == MAP_FAILED) base::fail("token file '{}' cannot be mapped: {}", path, std::strerror(error));
  result.map_ = map;
  result.tokens_ = static_cast<const std::byte*>(map) + tokens.file_offset;
  return result;
}

TokenFile::TokenFile(TokenFile&& other) noexcept {
  *this = std::move(other);
}

TokenFile& TokenFile::operator=(TokenFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fingerprint_, other.fingerprint_);
  std::swap(tokenizer_text_, other.tokenizer_text_);
  std::swap(num_tokens_, other.num_tokens_);
  std::swap(vocab_size_, other.vocab_size_);
  std::swap(text_bytes_, other.text_bytes_);
  std::swap(element_bytes_, other.element_bytes_);
  std::swap(documents_, other.documents_);
  std::swap(map_bytes_, other.map_bytes_);
  std::swap(map_, other.map_);
  std::swap(tokens_, other.tokens_);
  return *this;
}

TokenFile::~TokenFile() {
  if (map_) ::munmap(map_, map_bytes_);
}

void TokenFile::read(std::int64_t first, std::int64_t count, std::int32_t* out) const {
  if (first < 0 || count < 0 || first + count > num_tokens_)
    throw std::logic_error(fmt::format("tokens [{}, {}) of {} in '{}'", first, first + count, num_tokens_, path_));
  const std::byte* from = tokens_ + first * element_bytes_;
  std::int64_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t id = 0;  // little-endian in the file, as on every machine we build for
    std::memcpy(&id, from + i * element_bytes_, static_cast<std::size_t>(element_bytes_));
    out[i] = static_cast<std::int32_t>(id);
    largest = std::max<std::int64_t>(largest, id);
  }
  if (largest < vocab_size_) return;
  for (std::int64_t i = 0; i < count; ++i)
    if (out[i] < 0 || out[i] >= vocab_size_)
      base::fail("token file '{}' is damaged: token {} has id {}, the vocabulary ends at {}; {}", path_, first + i,
                 static_cast<std::uint32_t>(out[i]), vocab_size_ - 1, kRemedy);
}

std::string TokenFile::describe_tokens() const {
  constexpr std::int64_t kSamples = 256, kSampleTokens = 256;
  std::vector<std::int32_t> tokens;
  for (std::int64_t sample = 0; sample < kSamples; ++sample) {
    const std::int64_t first = num_tokens_ / kSamples * sample, size = static_cast<std::int64_t>(tokens.size());
    const std::int64_t count = std::min(kSampleTokens, num_tokens_ - first);
    tokens.resize(static_cast<std::size_t>(size + count));
    read(first, count, tokens.data() + size);
  }
  // The samples overlap nowhere in a long file; a short one is hashed whole, some of it twice.
  const char* const bytes = reinterpret_cast<const char*>(tokens.data());
  return fmt::format("{} tokens, {:016x}", num_tokens_,
                     base::name_hash(bytes, bytes + tokens.size() * sizeof tokens[0]));
}

std::unique_ptr<text::Tokenizer> TokenFile::tokenizer() const {
  return text::deserialize_tokenizer(tokenizer_text_, path_ + ":/tokenizer");
}

bool is_token_file(const std::string& path) {
  if (!fs::is_regular_file(path) || !has_hdf5_signature(path)) return false;
  const hdf5::File file = open_hdf5(path);
  return or_damaged(path, [&] {
    return file.has_attribute("/", "format") && file.string_attribute("/", "format") == token_file_format;
  });
}

std::unique_ptr<text::Tokenizer> open_tokenizer(const std::string& path_or_kind) {
  if (path_or_kind == "bytes") return text::bytes_tokenizer();
  if (path_or_kind == "characters")
    base::fail_usage(
        "tokenizer 'characters' is made from a text and has no meaning here: give the token file of that text");
  if (is_token_file(path_or_kind)) return TokenFile::open(path_or_kind).tokenizer();
  return text::load_tokenizer(path_or_kind);
}

}  // namespace tessera::data
