// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_merge.hpp"

#include <algorithm>
#include <functional>

#include "base/error.hpp"

namespace tessera::text {

namespace {

constexpr std::uint32_t kEnd = 0xFFFFFFFFu;  // no symbol there

}  // namespace

void PieceMerger::merge(std::string_view piece, std::vector<TokenId>& out) {
  if (piece.empty()) return;
  if (piece.size() >= kEnd) base::fail_usage("a piece of {} bytes without a break is too long for BPE", piece.size());
  start(piece);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    const Candidate best = heap_.back();
    heap_.pop_back();
    apply(best);
  }
  for (Position at = 0; at != kEnd; at = symbols_[at].next) out.push_back(symbols_[at].id);
}

void PieceMerger::start(std::string_view piece) {
  const auto size = static_cast<Position>(piece.size());
  symbols_.clear();
  heap_.clear();
  for (Position i = 0; i < size; ++i) {
    const TokenId id = model_.byte_ids[static_cast<unsigned char>(piece[i])];
    symbols_.push_back({id, i == 0 ? kEnd : i - 1, i + 1 == size ? kEnd : i + 1});
  }
  for (Position i = 0; i + 1 < size; ++i) consider(i, i + 1);
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
}

void PieceMerger::apply(const Candidate& best) {
  Symbol& left = symbols_[best.at];
  Symbol& right = symbols_[best.next];
  if (left.id != best.left || right.id != best.right || left.next != best.next) return;  // stale
  left.id = model_.merges[best.rank].result;
  left.next = right.next;
  right.id = -1;
  if (left.next != kEnd) symbols_[left.next].previous = best.at;
  if (left.previous != kEnd) consider_and_sift(left.previous, best.at);
  if (left.next != kEnd) consider_and_sift(best.at, left.next);
}

bool PieceMerger::consider(Position at, Position next) {
  const std::uint32_t rank = ranks_.find(pair_key(symbols_[at].id, symbols_[next].id));
  if (rank == PairTable::kNone) return false;
  heap_.push_back({rank, at, next, symbols_[at].id, symbols_[next].id});
  return true;
}

void PieceMerger::consider_and_sift(Position at, Position next) {
  if (consider(at, next)) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

}  // namespace tessera::text
