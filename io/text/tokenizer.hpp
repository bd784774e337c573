// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::text {

using TokenId = std::int32_t;

/// A file by name, in a folder that is yet to be chosen.
struct NamedFile {
  std::string name, content;
};

/// Name of our own tokenizer file in a folder that holds a model in the form of others.
inline constexpr const char* own_file_name = "tessera-tokenizer.json";

/// encode() of a tokenizer for one thread that calls it again and again: the same ids, but pieces met before are
/// remembered from call to call (in bounded memory). The tokenizer must outlive it.
class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual void encode(std::string_view text, std::vector<TokenId>& out) = 0;
};

/// Text to token ids and back. decode(encode(text)) == text for every text that encode accepts; bytes and BPE accept
/// any bytes, characters accept UTF-8 made of known characters. Immutable after construction: safe to share between
/// threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Appends the ids of `text` to `out`. Special tokens in the text are plain text. Throws base::UsageError naming the
  /// byte offset and the character for text it cannot encode.
  virtual void encode(std::string_view text, std::vector<TokenId>& out) const = 0;
  virtual std::unique_ptr<Encoder> encoder() const;
  /// The bytes of the tokens; the end token decodes to nothing. Throws base::UsageError for an id outside [0, vocab).
  virtual std::string decode(const TokenId* ids, std::size_t count) const = 0;
  /// Ids run from 0 to vocab_size() - 1, the end token included.
  virtual std::int64_t vocab_size() const = 0;
  /// Separates documents. Every tokenizer has one.
  virtual TokenId end_token() const = 0;
  /// "bytes", "characters" or "bpe"
  virtual const char* kind() const = 0;
  /// Everything needed to build this tokenizer again, as UTF-8 JSON; equal tokenizers give equal text.
  virtual std::string serialize() const = 0;
  /// The files that Hugging Face's GPT-2 tokenizers read, and load_tokenizer() too: the same ids for every text, but
  /// that theirs take the end token's name in a text for the token. None for bytes and characters, which have no such
  /// form. `context`: most tokens of a model. Throws base::UsageError if two tokens would be written alike, or the end
  /// token is none of those that load_tokenizer() knows.
  virtual std::vector<NamedFile> hugging_face_files(std::int64_t context) const;

  std::vector<TokenId> encode(std::string_view text) const;
  std::string decode(const std::vector<TokenId>& ids) const { return decode(ids.data(), ids.size()); }
  /// 16 hex digits of FNV-1a over serialize(): names the tokenizer in token files and checkpoints.
  std::string fingerprint() const;
};

/// 256 byte values and an end token: vocabulary 257.
std::unique_ptr<Tokenizer> bytes_tokenizer();
/// One token for each distinct Unicode character of `sample` in code point order, and the end token last. Throws
/// base::UsageError naming the offset if `sample` is not UTF-8 or empty.
std::unique_ptr<Tokenizer> characters_tokenizer(std::string_view sample);
/// Rebuilds what serialize() wrote. `source` names the file in errors, which are base::UsageError.
std::unique_ptr<Tokenizer> deserialize_tokenizer(std::string_view serialized, std::string_view source);
/// Loads from a path: a tokenizer file of ours, a Hugging Face tokenizer.json (byte-level BPE with GPT-2's pattern),
/// one of the pairs vocab.bpe + encoder.json and merges.txt + vocab.json (the other must lie beside it), or a folder
/// that holds one of these, ours as tessera-tokenizer.json. The end token is the added token named <|endoftext|>, </s>,
/// <|end|>, <|end_of_text|> or <eos>, the first of these that is there; else one is appended to the vocabulary. Throws
/// base::UsageError naming the file. Token files are read by data/ instead.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path);
/// The file of a folder that load_tokenizer() reads; "" if it holds none.
std::string find_tokenizer(const std::string& folder);
/// Writes serialize() to a file (temporary name, fsync, rename). Throws base::UsageError naming the path.
void save_tokenizer(const Tokenizer& tokenizer, const std::string& path);

/// Trains byte-level BPE (Sennrich et al. 2016; GPT-2's pre-tokenization pattern): `vocab` entries = 256 bytes + merges
/// + end token. The most frequent pair wins; ties go to the pair whose (left bytes, right bytes) come first in
/// lexicographic order. So the result follows from the counts of the pieces: neither the order of the texts nor the
/// number of threads changes it.
class BpeTrainer {
 public:
  /// Throws base::UsageError for a vocab below 257.
  BpeTrainer(std::int64_t vocab, int threads);
  ~BpeTrainer();
  BpeTrainer(const BpeTrainer&) = delete;
  BpeTrainer& operator=(const BpeTrainer&) = delete;

  /// Counts the pieces of a text, which is not needed afterwards: a corpus may come part by part (cuts.hpp).
  void add(std::string_view text);
  /// Once, after the last text. Throws base::UsageError if the texts do not allow the vocab, naming the largest that
  /// they do.
  std::unique_ptr<Tokenizer> train();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The same for texts in memory, with one thread.
std::unique_ptr<Tokenizer> train_bpe(const std::vector<std::string>& texts, std::int64_t vocab);

}  // namespace tessera::text
