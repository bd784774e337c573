// SPDX-License-Identifier: Apache-2.0
// A token file is HDF5: /tokens (u16 if the vocabulary is at most 65536, else u32; contiguous), /documents (u64: index
// of the first token of each document), /tokenizer (u8: the tokenizer's JSON), attributes on "/": format, version,
// fingerprint of the tokenizer, vocab, text_bytes. Each document ends with the end token.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/tokenizer.hpp"

namespace tessera::data {

inline constexpr const char* token_file_format = "tessera tokens";
inline constexpr std::int64_t token_file_version = 1;

/// A token file, memory-mapped read-only. Opening checks the header and that the file is as long as its header says, so
/// a file cut short is an error message and never a SIGBUS.
class TokenFile {
 public:
  /// Throws base::UsageError naming path, rule and remedy if the file is absent, foreign, newer, cut short or damaged.
  static TokenFile open(const std::string& path);
  TokenFile(TokenFile&&) noexcept;
  TokenFile& operator=(TokenFile&&) noexcept;
  ~TokenFile();

  std::int64_t num_tokens() const { return num_tokens_; }
  std::int64_t vocab_size() const { return vocab_size_; }
  const std::string& fingerprint() const { return fingerprint_; }
  const std::string& path() const { return path_; }
  std::uint64_t text_bytes() const { return text_bytes_; }
  const std::vector<std::uint64_t>& documents() const { return documents_; }
  /// Copies tokens [first, first + count) as int32. Throws base::Error naming position and file if an id is not below
  /// vocab_size().
  void read(std::int64_t first, std::int64_t count, std::int32_t* out) const;
  std::unique_ptr<text::Tokenizer> tokenizer() const;
  /// "1115395 tokens, 0123456789abcdef": their number, and a hash of some thousand of them from all over the file.
  /// Other data under the same name almost surely tell another one. Reads no more than a megabyte.
  std::string describe_tokens() const;

 private:
  TokenFile() = default;
  static TokenFile open_sound(const std::string& path);
  std::string path_, fingerprint_, tokenizer_text_;
  std::int64_t num_tokens_ = 0, vocab_size_ = 0;
  std::uint64_t text_bytes_ = 0;
  int element_bytes_ = 2;
  std::vector<std::uint64_t> documents_;
  std::size_t map_bytes_ = 0;
  void* map_ = nullptr;
  const std::byte* tokens_ = nullptr;  // first token, inside the map
};

/// True if `path` is an HDF5 file that claims to be a token file.
bool is_token_file(const std::string& path);

/// A tokenizer by name: "bytes", a token file (its tokenizer), or a path for text::load_tokenizer. "characters" needs a
/// text and is refused here. Throws base::UsageError.
std::unique_ptr<text::Tokenizer> open_tokenizer(const std::string& path_or_kind);

}  // namespace tessera::data
