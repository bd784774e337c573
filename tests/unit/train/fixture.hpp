// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "train/batch_source.hpp"
#include "unit/data/fixture.hpp"

namespace tessera::testing {

/// Token files of the bytes tokenizer: document d of file f is `length` times the letter 'a' + d, with f before it.
struct LetterFiles {
  DataFolder folder;
  std::vector<data::TokenFile> files;

  LetterFiles(std::size_t num_files, int num_documents, std::size_t length) {
    for (std::size_t f = 0; f < num_files; ++f) {
      std::vector<std::string> inputs;
      for (int d = 0; d < num_documents; ++d)
        inputs.push_back(folder.write(std::to_string(f) + "/" + static_cast<char>('a' + d),
                                      std::to_string(f) + std::string(length, static_cast<char>('a' + d))));
      files.push_back(data::TokenFile::open(folder.prepare(inputs, "bytes")));
      fs::rename(folder / "tokens.h5", folder / ("tokens" + std::to_string(f) + ".h5"));
    }
  }

  train::TokenMixture mixture(const std::vector<double>& weights) const {
    train::TokenMixture mixture;
    for (std::size_t f = 0; f < files.size(); ++f)
      mixture.sources.push_back({{&files[f], 0, files[f].num_tokens()}, weights[f]});
    return mixture;
  }
};

}  // namespace tessera::testing
