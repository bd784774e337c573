// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "text/tokenizer.hpp"

namespace tessera::data {

/// Token ids in a nameless temporary file beside the output, where they wait until their number is known, as HDF5 needs
/// it first. Throws base::UsageError naming `output` if nothing can be written there.
class TokenSpool {
 public:
  explicit TokenSpool(const std::string& output);
  void append(const std::vector<text::TokenId>& ids);
  std::int64_t size() const { return size_; }
  /// Ids [first, first + count).
  void read(std::int64_t first, std::int64_t count, std::vector<text::TokenId>& ids);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string output_;
  std::unique_ptr<std::FILE, Close> file_;
  std::int64_t size_ = 0;
};

/// Part [first, last) of the spool as a token file: temporary name, fsync, rename. A part that does not end with the
/// end token gets one. `documents` holds the starts of all documents of the spool.
void write_token_file(const std::string& path, TokenSpool& spool, std::int64_t first, std::int64_t last,
                      const std::vector<std::uint64_t>& documents, const text::Tokenizer& tokenizer);

}  // namespace tessera::data
