// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::data {

struct PrepareOptions {
  std::vector<std::string> inputs;  ///< text files, folders, "-" = standard input (alone)
  std::string tokenizer;            ///< bytes | characters | path of a tokenizer file or folder or of a token file
  std::string output;
  double valid_fraction = 0.0;  ///< last part of the tokens that goes to valid_output; 0: none
  std::string valid_output;     ///< needed if valid_fraction > 0
  int threads = 1;              ///< the files are the same for any number
};

/// What prepare() did, for the report.
struct PrepareReport {
  std::int64_t documents = 0, tokens = 0, vocab = 0;  ///< tokens of both outputs together
  std::int64_t empty_files = 0;                       ///< of folders, left out
  std::uint64_t text_bytes = 0;
  std::string tokenizer_kind;
};

/// Encodes each input as one document, piece by piece (memory does not grow with the corpus), and writes token files
/// (temporary name, fsync, rename). Throws base::UsageError: no such input, no text in it, text the tokenizer cannot
/// encode (file and byte offset), unwritable output, an output that is an input or in the folder of one.
PrepareReport prepare(const PrepareOptions& options);

}  // namespace tessera::data
