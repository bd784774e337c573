// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): split the text into pieces, start from the bytes of each
// piece, and merge the adjacent pair of lowest rank, leftmost first, until no merge applies.
#include "text/bpe.hpp"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "text/bpe_pattern.hpp"
#include "text/tokenizer_parts.hpp"

namespace tessera::text {

namespace {

// Pieces remembered during one encode call: plenty for the words of a language, and a bound on memory for texts where
// hardly a piece comes twice. Longer pieces are too rare to be worth a place.
constexpr std::size_t kMaxCachedPieces = 1 << 18;
constexpr std::size_t kMaxCachedPieceBytes = 64;

/// A merge that may apply at a symbol; stale once one of its two symbols has changed.
struct Candidate {
  std::int32_t rank;
  std::uint32_t at, next;  // positions of the two symbols
  TokenId left, right;     // what stood there when the candidate was found
  bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
};

/// Work space of one encode call: the symbols of a piece as a linked list, positions are those of their first bytes.
struct MergeSpace {
  struct Symbol {
    TokenId id;  // -1: swallowed by the symbol before
    std::uint32_t previous, next;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeModel model) : model_(std::move(model)) {
    ranks_.reserve(model_.merges.size());
    for (std::size_t rank = 0; rank < model_.merges.size(); ++rank) {
      const BpeMerge& merge = model_.merges[rank];
      ranks_.emplace(pair_key(merge.left, merge.right), static_cast<std::int32_t>(rank));
    }
    // A piece that is a token needs no merging, but only where merging gives that very token: a list of merges may
    // reach a token's bytes by another way.
    const std::vector<bool> reachable = reachable_tokens(model_);
    whole_.reserve(model_.tokens.size());
    MergeSpace space;
    std::vector<TokenId> ids;
    for (std::size_t id = 0; id < model_.tokens.size(); ++id) {
      if (!reachable[id]) continue;
      ids.clear();
      merge_piece(model_.tokens[id], space, ids);
      if (ids.size() == 1) whole_.emplace(model_.tokens[id], ids[0]);
    }
  }

  void encode(std::string_view text, std::vector<TokenId>& out) const override {
    struct Span {
      std::size_t begin, count;  // in `out`
    };
    std::unordered_map<std::string_view, Span> cache;
    MergeSpace space;
    PieceWalk walk(pattern_, text);
    for (std::string_view piece; walk.next(piece);) {
      if (const auto whole = whole_.find(piece); whole != whole_.end()) {
        out.push_back(whole->second);
        continue;
      }
      const bool cacheable = piece.size() <= kMaxCachedPieceBytes;
      if (cacheable) {
        if (const auto known = cache.find(piece); known != cache.end()) {
          for (std::size_t i = 0; i < known->second.count; ++i) out.push_back(out[known->second.begin + i]);
          continue;
        }
      }
      const std::size_t begin = out.size();
      merge_piece(piece, space, out);
      if (cacheable && cache.size() < kMaxCachedPieces) cache.emplace(piece, Span{begin, out.size() - begin});
    }
  }

  std::string decode(const TokenId* ids, std::size_t count) const override {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
      require_id(ids[i], vocab_size());
      if (ids[i] != model_.end_token) out += model_.tokens[static_cast<std::size_t>(ids[i])];
    }
    return out;
  }

  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(model_.tokens.size()); }
  TokenId end_token() const override { return model_.end_token; }
  const char* kind() const override { return "bpe"; }

  std::string serialize() const override {
    json::Json serialized = tokenizer_header(kind());
    bpe_to_json(model_, serialized);
    return serialized.dump();
  }

 private:
  /// Appends the tokens of one piece: O(n log n) by a heap of candidates, so a megabyte without a break is no trap.
  void merge_piece(std::string_view piece, MergeSpace& space, std::vector<TokenId>& out) const {
    if (piece.size() >= kNone)
      base::fail_usage("a piece of {} bytes without a break is too long for BPE", piece.size());
    auto& symbols = space.symbols;
    auto& heap = space.heap;
    const auto size = static_cast<std::uint32_t>(piece.size());
    symbols.clear();
    heap.clear();
    for (std::uint32_t i = 0; i < size; ++i) {
      const TokenId id = model_.byte_ids[static_cast<unsigned char>(piece[i])];
      symbols.push_back({id, i == 0 ? kNone : i - 1, i + 1 == size ? kNone : i + 1});
    }
    const auto consider = [&](std::uint32_t at, std::uint32_t next) {
      const auto found = ranks_.find(pair_key(symbols[at].id, symbols[next].id));
      if (found == ranks_.end()) return false;
      heap.push_back({found->second, at, next, symbols[at].id, symbols[next].id});
      return true;
    };
    for (std::uint32_t i = 0; i + 1 < size; ++i) consider(i, i + 1);
    std::make_heap(heap.begin(), heap.end(), std::greater<>());
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end(), std::greater<>());
      const Candidate best = heap.back();
      heap.pop_back();
      MergeSpace::Symbol& left = symbols[best.at];
      MergeSpace::Symbol& right = symbols[best.next];
      if (left.id != best.left || right.id != best.right || left.next != best.next) continue;  // stale
      left.id = model_.merges[static_cast<std::size_t>(best.rank)].result;
      left.next = right.next;
      right.id = -1;
      if (left.next != kNone) symbols[left.next].previous = best.at;
      if (left.previous != kNone && consider(left.previous, best.at)) {
        std::push_heap(heap.begin(), heap.end(), std::greater<>());
      }
      if (left.next != kNone && consider(best.at, left.next)) {
        std::push_heap(heap.begin(), heap.end(), std::greater<>());
      }
    }
    for (std::uint32_t at = 0; at != kNone; at = symbols[at].next) out.push_back(symbols[at].id);
  }

  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

  BpeModel model_;
  BpePattern pattern_;
  std::unordered_map<PairKey, std::int32_t, PairHash> ranks_;
  std::unordered_map<std::string_view, TokenId> whole_;  // views into model_.tokens, which never changes
};

}  // namespace

std::unique_ptr<Tokenizer> bpe_tokenizer(BpeModel model) {
  return std::make_unique<BpeTokenizer>(std::move(model));
}

}  // namespace tessera::text
