// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/token_file.hpp"
#include "text/tokenizer.hpp"
#include "train/tokens.hpp"

namespace tessera::tools {

/// A stretch of tokens to evaluate, with the file that holds it. A text is prepared into a temporary token file.
class EvaluationText {
 public:
  EvaluationText() = default;
  /// Tokens [first, last) of `file`; last < 0: to the end.
  EvaluationText(std::unique_ptr<data::TokenFile> file, std::string name, std::int64_t first, std::int64_t last,
                 double weight = 1.0);

  const train::TokenRange& range() const { return range_; }
  double weight() const { return weight_; }  ///< as in train::TokenMixture
  const std::string& name() const { return name_; }

 private:
  std::unique_ptr<data::TokenFile> file_;
  std::string name_;
  train::TokenRange range_;
  double weight_ = 1.0;
};

/// A token file, or a text that is encoded with `tokenizer`. Throws base::UsageError (absent, empty, another
/// tokenizer).
EvaluationText open_evaluation_text(const std::string& path, const text::Tokenizer& tokenizer);

/// The held-out parts that the run's configuration names. Throws base::UsageError if it names none, or if a file was
/// made with another tokenizer since.
std::vector<EvaluationText> held_out_texts(const config::DataConfig& config, const text::Tokenizer& tokenizer,
                                           const std::string& checkpoint);

/// A whole file, or standard input for "-". Throws base::UsageError if it is absent or empty.
std::string read_text(const std::string& path);

}  // namespace tessera::tools
