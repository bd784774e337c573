// SPDX-License-Identifier: Apache-2.0
#include "tools/synthetic.hpp"

#include <fstream>

#include "base/error.hpp"
#include "base/philox.hpp"
#include "data/prepare.hpp"
#include "tools/temporary_folder.hpp"

namespace tessera::tools {

data::TokenFile synthetic_tokens(std::int64_t num_bytes, std::int64_t num_documents) {
  constexpr std::string_view kLetters = "the quick brown fox jumps over the lazy dog.\n";
  const base::PhiloxKey key = base::philox_key(1, base::RandomStream::test);
  std::string text;
  for (std::int64_t i = 0; i < num_bytes; ++i)
    text += kLetters[static_cast<std::size_t>(base::random_u64(key, static_cast<std::uint64_t>(i)) % kLetters.size())];
  const TemporaryFolder folder;  // the map outlives the folder
  data::PrepareOptions options;
  const auto document_bytes = static_cast<std::size_t>(num_bytes / num_documents);
  for (std::size_t at = 0; at < text.size(); at += document_bytes) {
    options.inputs.push_back(folder.path() + "/" + std::to_string(at) + ".txt");
    std::ofstream file(options.inputs.back(), std::ios::binary);
    file << text.substr(at, document_bytes);
    file.close();
    if (!file) base::fail("cannot write to the temporary folder '{}'", folder.path());
  }
  options.tokenizer = "bytes";
  options.output = folder.path() + "/tokens.h5";
  try {
    data::prepare(options);
  } catch (const base::UsageError& error) {  // nobody asked for this file: its trouble is the system's
    base::fail_system("tokens to measure with cannot be made ({}): set TMPDIR to a folder with free space",
                      error.what());
  }
  return data::TokenFile::open(options.output);
}

}  // namespace tessera::tools
