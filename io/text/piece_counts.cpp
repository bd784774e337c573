// SPDX-License-Identifier: Apache-2.0
#include "text/piece_counts.hpp"

#include "base/parallel.hpp"
#include "text/cuts.hpp"

namespace tessera::text {

namespace {

constexpr std::size_t kPartBytes = 256 * 1024;  // what a thread counts at a time

}  // namespace

void PieceCounts::add(std::string_view piece, std::int64_t count) {
  const PieceTable::Index index = pieces.number(piece);
  if (index == counts.size()) counts.push_back(0);
  counts[index] += count;
}

PieceCounter::PieceCounter(int threads) {
  for (int thread = 0; thread < threads; ++thread) shares_.push_back(std::make_unique<Share>(pattern_));
}

void PieceCounter::add(std::string_view text) {
  const std::vector<std::string_view> parts = cut(text, kPartBytes);
  base::run_tasks(parts.size(), static_cast<int>(shares_.size()), [&](std::size_t part, int thread) {
    Share& share = *shares_[static_cast<std::size_t>(thread)];
    share.walk.start(parts[part]);
    for (std::string_view piece; share.walk.next(piece);) share.counted.add(piece, 1);
  });
}

PieceCounts PieceCounter::take() {
  PieceCounts all = std::move(shares_[0]->counted);
  for (std::size_t thread = 1; thread < shares_.size(); ++thread) {
    const PieceCounts more = std::move(shares_[thread]->counted);
    for (PieceTable::Index index = 0; index < more.pieces.size(); ++index) {
      all.add(more.pieces[index], more.counts[index]);
    }
  }
  for (auto& share : shares_) share->counted = {};
  return all;
}

}  // namespace tessera::text
