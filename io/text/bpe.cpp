// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): split the text into pieces, and merge each from its
// bytes.
#include "text/bpe.hpp"

#include <unordered_map>

#include "text/bpe_merge.hpp"
#include "text/bpe_pattern.hpp"
#include "text/piece_table.hpp"
#include "text/tokenizer_parts.hpp"

namespace tessera::text {

namespace {

// Pieces an encoder remembers: plenty for the words of a language, and a bound on memory (at worst about 50 MiB) for
// texts where hardly a piece comes twice. Longer pieces are too rare to be worth a place.
constexpr std::size_t kMaxCachedPieces = 1 << 18;
constexpr std::size_t kMaxCachedBytes = 8 << 20;
constexpr std::size_t kMaxCachedPieceBytes = 64;

/// What encoders share: the model, and how to find things in it.
struct BpeTables {
  explicit BpeTables(BpeModel given) : model(std::move(given)) {
    for (std::size_t rank = 0; rank < model.merges.size(); ++rank) {
      const BpeMerge& merge = model.merges[rank];
      ranks.insert(pair_key(merge.left, merge.right), static_cast<PairTable::Value>(rank));
    }
    // A piece that is a token needs no merging, but only where merging gives that very token: a list of merges may
    // reach a token's bytes by another way.
    const std::vector<bool> reachable = reachable_tokens(model);
    whole.reserve(model.tokens.size());
    PieceMerger merger(model, ranks);
    std::vector<TokenId> ids;
    for (std::size_t id = 0; id < model.tokens.size(); ++id) {
      if (!reachable[id]) continue;
      ids.clear();
      merger.merge(model.tokens[id], ids);
      if (ids.size() == 1) whole.emplace(model.tokens[id], ids[0]);
    }
  }
  BpeTables(const BpeTables&) = delete;
  BpeTables& operator=(const BpeTables&) = delete;

  BpeModel model;
  BpePattern pattern;
  PairTable ranks;
  std::unordered_map<std::string_view, TokenId> whole;  // views into model.tokens, which never changes
};

class BpeEncoder final : public Encoder {
 public:
  explicit BpeEncoder(const BpeTables& tables)
      : tables_(tables), merger_(tables.model, tables.ranks), walk_(tables.pattern) {}

  void encode(std::string_view text, std::vector<TokenId>& out) override {
    walk_.start(text);
    for (std::string_view piece; walk_.next(piece);) {
      if (piece.size() > kMaxCachedPieceBytes) {
        encode_piece(piece, out);
        continue;
      }
      if (known_.size() == kMaxCachedPieces || known_.num_bytes() >= kMaxCachedBytes) forget();
      const PieceTable::Index index = known_.number(piece);
      if (index == ends_.size()) {  // it was new
        encode_piece(piece, ids_);
        ends_.push_back(static_cast<std::uint32_t>(ids_.size()));
      }
      const std::uint32_t begin = index == 0 ? 0 : ends_[index - 1];
      for (std::uint32_t i = begin; i < ends_[index]; ++i) out.push_back(ids_[i]);
    }
  }

 private:
  void encode_piece(std::string_view piece, std::vector<TokenId>& out) {
    if (const auto whole = tables_.whole.find(piece); whole != tables_.whole.end()) {
      out.push_back(whole->second);
    } else {
      merger_.merge(piece, out);
    }
  }

  void forget() {
    known_.clear();
    ids_.clear();
    ends_.clear();
  }

  const BpeTables& tables_;
  PieceMerger merger_;
  PieceWalk walk_;
  PieceTable known_;
  std::vector<TokenId> ids_;         // of the known pieces, one behind the other
  std::vector<std::uint32_t> ends_;  // in ids_, of each known piece
};

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeModel model) : tables_(std::move(model)) {}

  void encode(std::string_view text, std::vector<TokenId>& out) const override {
    BpeEncoder(tables_).encode(text, out);
  }
  std::unique_ptr<Encoder> encoder() const override { return std::make_unique<BpeEncoder>(tables_); }

  std::string decode(const TokenId* ids, std::size_t count) const override {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
      require_id(ids[i], vocab_size());
      if (ids[i] != tables_.model.end_token) out += tables_.model.tokens[static_cast<std::size_t>(ids[i])];
    }
    return out;
  }

  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(tables_.model.tokens.size()); }
  TokenId end_token() const override { return tables_.model.end_token; }
  const char* kind() const override { return "bpe"; }

  std::string serialize() const override {
    json::Json serialized = tokenizer_header(kind());
    bpe_to_json(tables_.model, serialized);
    return serialized.dump();
  }

  std::vector<NamedFile> hugging_face_files(std::int64_t context) const override {
    return bpe_to_hugging_face(tables_.model, context);
  }

 private:
  BpeTables tables_;
};

}  // namespace

std::unique_ptr<Tokenizer> bpe_tokenizer(BpeModel model) {
  return std::make_unique<BpeTokenizer>(std::move(model));
}

}  // namespace tessera::text
