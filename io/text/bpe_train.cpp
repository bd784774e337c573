// SPDX-License-Identifier: Apache-2.0
// BPE training (Sennrich et al. 2016) without recounting. The distinct pieces of the corpus lie in one array of symbols
// with links to both neighbours. Each pair knows how often it occurs and where, so a merge touches only its own places
// and their neighbours; a heap finds the most frequent pair. A merge removes one symbol at each of its places, so all
// merges together cost O(n log n) in the bytes of the distinct pieces, however long a single piece is.
#include <algorithm>
#include <limits>
#include <queue>
#include <utility>

#include "text/bpe.hpp"
#include "text/pair_table.hpp"
#include "text/piece_counts.hpp"
#include "text/tokenizer_parts.hpp"

namespace tessera::text {

namespace {

using Position = std::uint32_t;
constexpr Position kNone = std::numeric_limits<Position>::max();

TokenId left_of(PairKey pair) {
  return static_cast<TokenId>(pair >> 32);
}
TokenId right_of(PairKey pair) {
  return static_cast<TokenId>(pair & 0xFFFFFFFFu);
}

class Trainer {
 public:
  explicit Trainer(PieceCounts corpus) : weights_(std::move(corpus.counts)) {
    for (int byte = 0; byte < 256; ++byte) {
      tokens_.emplace_back(1, static_cast<char>(static_cast<unsigned char>(byte)));
    }
    symbols_.reserve(corpus.pieces.num_bytes());  // fits into positions: PieceTable holds no more than 4 GiB
    for (PieceTable::Index index = 0; index < corpus.pieces.size(); ++index) {
      add_piece(corpus.pieces[index], index);
    }
    for (const Uses& uses : uses_) push(uses.pair, uses.count);
  }

  Trainer(const Trainer&) = delete;  // the heap's order points to tokens_
  Trainer& operator=(const Trainer&) = delete;

  /// Merges the most frequent pair; false if no pair is left.
  bool merge_best() {
    while (!heap_.empty()) {
      const HeapEntry best = heap_.top();
      heap_.pop();
      Uses& uses = uses_of(best.pair);
      if (uses.count == 0) continue;
      if (uses.count != best.count) {  // it became rarer since: back to its place in the order
        push(best.pair, uses.count);
        continue;
      }
      merge(best.pair, std::exchange(uses.places, {}));
      return true;
    }
    return false;
  }

  std::vector<std::string>& tokens() { return tokens_; }
  std::vector<BpeMerge>& merges() { return merges_; }

 private:
  struct Symbol {
    TokenId id;  // -1: swallowed by the symbol before
    Position previous, next;
    PieceTable::Index piece;
  };
  struct Uses {
    PairKey pair;
    std::int64_t count = 0;
    std::vector<Position> places;  // where the pair began when it was counted; some are gone since
  };
  struct HeapEntry {
    std::int64_t count;
    PairKey pair;
  };
  /// The heap's top is the pair that comes last in this order: most frequent, then first by bytes.
  struct ComesLater {
    const std::vector<std::string>* tokens;
    bool operator()(const HeapEntry& a, const HeapEntry& b) const {
      if (a.count != b.count) return a.count < b.count;
      const auto token = [&](TokenId id) -> const std::string& { return (*tokens)[static_cast<std::size_t>(id)]; };
      const int left = token(left_of(a.pair)).compare(token(left_of(b.pair)));
      return left != 0 ? left > 0 : token(right_of(a.pair)).compare(token(right_of(b.pair))) > 0;
    }
  };

  void push(PairKey pair, std::int64_t count) { heap_.push({count, pair}); }

  void add_piece(std::string_view piece, PieceTable::Index index) {
    const auto begin = static_cast<Position>(symbols_.size());
    const auto end = static_cast<Position>(begin + piece.size());
    for (Position at = begin; at < end; ++at) {
      const TokenId id = static_cast<unsigned char>(piece[at - begin]);
      symbols_.push_back({id, at == begin ? kNone : at - 1, at + 1 == end ? kNone : at + 1, index});
    }
    for (Position at = begin; at + 1 < end; ++at) add_pair(at);
  }

  PairKey pair_at(Position at) const { return pair_key(symbols_[at].id, symbols_[symbols_[at].next].id); }

  Uses& uses_of(PairKey pair) {
    const PairTable::Value index = pairs_.insert(pair, static_cast<PairTable::Value>(uses_.size()));
    if (index == uses_.size()) uses_.push_back({pair, 0, {}});
    return uses_[index];
  }

  void add_pair(Position at) {
    Uses& uses = uses_of(pair_at(at));
    uses.count += weights_[symbols_[at].piece];
    uses.places.push_back(at);
  }

  void remove_pair(Position at) { uses_of(pair_at(at)).count -= weights_[symbols_[at].piece]; }

  void merge(PairKey pair, std::vector<Position> places) {
    const TokenId left = left_of(pair), right = right_of(pair);
    // The token is new: no merge ever crosses the bounds of what becomes one token, so inside these bounds the same
    // bytes go through the same merges wherever they stand, and no other pair can give them.
    const auto result = static_cast<TokenId>(tokens_.size());
    tokens_.push_back(tokens_[static_cast<std::size_t>(left)] + tokens_[static_cast<std::size_t>(right)]);
    merges_.push_back({left, right, result});

    // Left to right, as in "aaa" the first two merge.
    std::sort(places.begin(), places.end());
    changed_.clear();
    for (const Position at : places) {
      Symbol& first = symbols_[at];
      if (first.id != left || first.next == kNone || symbols_[first.next].id != right) continue;
      Symbol& second = symbols_[first.next];
      remove_pair(at);
      if (first.previous != kNone) remove_pair(first.previous);
      if (second.next != kNone) remove_pair(first.next);
      first.id = result;
      first.next = second.next;
      second.id = -1;
      if (first.next != kNone) {
        symbols_[first.next].previous = at;
        add_pair(at);
        changed_.push_back(pair_at(at));
      }
      if (first.previous != kNone) {
        add_pair(first.previous);
        changed_.push_back(pair_at(first.previous));
      }
    }
    // Only pairs with the new symbol became more frequent; rarer ones find their place when they are popped.
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (const PairKey more : changed_) {
      if (const std::int64_t count = uses_of(more).count; count > 0) push(more, count);
    }
  }

  std::vector<std::string> tokens_;
  std::vector<BpeMerge> merges_;
  std::vector<std::int64_t> weights_;  // how often each piece occurs
  std::vector<Symbol> symbols_;
  PairTable pairs_;  // of each pair: its place in uses_
  std::vector<Uses> uses_;
  std::priority_queue<HeapEntry, std::vector<HeapEntry>, ComesLater> heap_{ComesLater{&tokens_}};
  std::vector<PairKey> changed_;
};

}  // namespace

struct BpeTrainer::State {
  std::size_t num_text_tokens;
  PieceCounter counter;
};

BpeTrainer::BpeTrainer(std::int64_t vocab, int threads) {
  if (vocab < 257) {
    base::fail_usage("vocab {} is too small for byte-level BPE: the 256 bytes and the end token need at least 257",
                     vocab);
  }
  if (vocab > std::numeric_limits<TokenId>::max()) base::fail_usage("vocab {} is beyond 32-bit token ids", vocab);
  state_.reset(new State{static_cast<std::size_t>(vocab) - 1, PieceCounter(threads)});
}
BpeTrainer::~BpeTrainer() = default;

void BpeTrainer::add(std::string_view text) {
  state_->counter.add(text);
}

std::unique_ptr<Tokenizer> BpeTrainer::train() {
  Trainer trainer(state_->counter.take());
  while (trainer.tokens().size() < state_->num_text_tokens) {
    if (!trainer.merge_best()) {
      base::fail_usage(
          "vocab {} is too large for this text: after {} entries every piece is one token; give more text, or "
          "a vocab of at most {}",
          state_->num_text_tokens + 1, trainer.tokens().size() + 1, trainer.tokens().size() + 1);
    }
  }
  BpeModel model;
  model.tokens = std::move(trainer.tokens());
  model.merges = std::move(trainer.merges());
  for (TokenId id = 0; id < 256; ++id) model.byte_ids.push_back(id);
  model.end_token = static_cast<TokenId>(model.tokens.size());
  model.tokens.emplace_back(kEndTokenName);
  return bpe_tokenizer(std::move(model));
}

std::unique_ptr<Tokenizer> train_bpe(const std::vector<std::string>& texts, std::int64_t vocab) {
  BpeTrainer trainer(vocab, 1);
  for (const std::string& text : texts) trainer.add(text);
  return trainer.train();
}

}  // namespace tessera::text
