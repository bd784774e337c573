// SPDX-License-Identifier: Apache-2.0
// Layouts that a scaling study compares: how ranks share out the work, and in what pieces a rank does it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"

namespace tessera::scaling {

/// Keys of [parallel], optim.micro_batch and run.recompute with their values. Keys of [parallel] that share out ranks
/// and are not named have their defaults, whatever the configuration says; others keep its values.
struct Layout {
  std::vector<std::pair<std::string, std::string>> keys;  ///< full names, in the order given
  bool operator==(const Layout&) const = default;
};

/// Reads "tensor=2;zero=1,pipeline=2": layouts apart by semicolons, keys by commas; a key without a section is looked
/// for in [parallel], then optim and run. Throws base::UsageError.
std::vector<Layout> parse_layouts(const std::string& text);
/// "data=2,tensor=2,zero=1" on 4 ranks: keys without their sections, behind the data ranks where there are several or
/// nothing else is named.
std::string label(const Layout& layout, int ranks);

/// The configuration of a run: `config` with the layout's keys, `batch` sequences a step without a ramp to it, and
/// `threads` a rank.
config::Config apply(const config::Config& config, const Layout& layout, std::int64_t batch, int threads);

/// What is wrong with it on so many ranks, the first problem; "" if nothing is.
std::string problem_of(const config::Config& config, int ranks);

/// At most `most` layouts worth trying on `ranks` ranks, valid ones only, the likeliest first: that of the
/// configuration itself if it names one, data ranks alone, the same with ZeRO 1, and then the shortest tensor and
/// pipeline axes, tensor ranks within a node.
std::vector<Layout> candidate_layouts(const config::Config& config, int ranks, int ranks_per_node, std::int64_t batch,
                                      std::size_t most);

/// At most `most` ways of one rank to do a batch of `batch` sequences: micro-batches around the automatic one, the
/// configuration's own among them, and nothing recomputed if the configuration recomputes. All give the same sums.
std::vector<Layout> single_rank_layouts(const config::Config& config, std::int64_t batch, std::size_t most);

}  // namespace tessera::scaling
