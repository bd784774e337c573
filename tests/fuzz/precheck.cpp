// SPDX-License-Identifier: Apache-2.0
// Any bytes as a checkpoint: what its first block says is refused with a message, or is right. Nothing is read outside
// of the file.
#include <algorithm>
#include <cstring>
#include <vector>
#include <xxhash.h>

#include "base/error.hpp"
#include "checkpoint/user_block.hpp"
#include "fuzz/target.hpp"

namespace {

using namespace tessera;

using Bytes = std::vector<char>;

constexpr std::size_t kWordBytes = sizeof(std::uint64_t), kHeadBytes = 8 * kWordBytes;
enum Word : std::size_t { kFileBytes = 2, kBlockBytes = 4, kMetadata = 5, kNumExtents = 6, kHash = 7, kExtents = 8 };

std::uint64_t word_at(const Bytes& bytes, std::size_t index) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data() + index * kWordBytes, kWordBytes);
  return word;
}

void set_word(Bytes& bytes, std::size_t index, std::uint64_t word) {
  std::memcpy(bytes.data() + index * kWordBytes, &word, kWordBytes);
}

/// What of [first, end) lies in the file; nothing if that is empty.
void append(Bytes& to, const Bytes& from, std::uint64_t first, std::uint64_t end) {
  end = std::min<std::uint64_t>(end, from.size());
  if (first < end)
    to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(first),
              from.begin() + static_cast<std::ptrdiff_t>(end));
}

/// Makes size and checksums right, which random bytes never have, so that what lies behind those checks is met too.
/// False if no block of the size that is promised fits.
bool forge(Bytes& bytes) {
  if (bytes.size() < kHeadBytes) return false;
  const std::uint64_t block_bytes = word_at(bytes, kBlockBytes);
  if (block_bytes < kHeadBytes || block_bytes > bytes.size() || block_bytes % kWordBytes != 0) return false;
  const std::uint64_t room = (block_bytes - kHeadBytes) / (2 * kWordBytes);
  Bytes metadata;
  std::uint64_t next = block_bytes;
  for (std::size_t i = 0; i < std::min(word_at(bytes, kNumExtents), room); ++i) {
    const std::uint64_t offset = word_at(bytes, kExtents + 2 * i), size = word_at(bytes, kExtents + 2 * i + 1);
    append(metadata, bytes, next, offset);
    next = offset + size;  // wraps, as in a check that forgot to look
  }
  append(metadata, bytes, next, bytes.size());
  set_word(bytes, kFileBytes, bytes.size());
  set_word(bytes, kMetadata, XXH3_64bits(metadata.data(), metadata.size()));
  set_word(bytes, kHash, 0);
  set_word(bytes, kHash, XXH3_64bits(bytes.data(), block_bytes));
  return true;
}

void check(const Bytes& bytes) {
  const checkpoint::ByteSource source{
      bytes.size(), [&](std::uint64_t offset, void* data, std::size_t size) {
        fuzz::require(offset <= bytes.size() && size <= bytes.size() - offset, "a read lies within the file");
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, static_cast<char*>(data));
      }};
  try {
    const checkpoint::UserBlock block = checkpoint::check_user_block(source, "folder/step-00000008.h5");
    fuzz::require(block.file_bytes == bytes.size(), "the size is that of the file");
    fuzz::require(block.step == 8, "the step is that of the name");
    std::uint64_t end = block.block_bytes;
    for (const checkpoint::Extent& extent : block.tensors) {
      fuzz::require(extent.offset >= end, "extents ascend and lie apart");
      fuzz::require(extent.offset <= bytes.size() && extent.size <= bytes.size() - extent.offset,
                    "an extent lies within the file");
      end = extent.end();
    }
  } catch (const base::Error& error) {
    fuzz::require(std::string_view(error.what()).size() < 400, "messages are short");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, data + size);
  check(bytes);
  if (forge(bytes)) check(bytes);
  return 0;
}
