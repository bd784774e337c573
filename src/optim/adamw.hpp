// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.hpp"
#include "tensor/arena.hpp"
#include "tensor/ops.hpp"
#include "tensor/tile.hpp"

namespace tessera::optim {

/// What the optimizer knows of one parameter: its tile on this rank, and of the tile's shape in f32 the master weight
/// it updates and the gradient; `rounded` bf16 receives the new weight too, unless it is empty.
struct OptimizedTile {
  tensor::Tile tile;
  tensor::View master, rounded, gradient;
  bool decay = false;
};

/// AdamW (Loshchilov & Hutter 2019) with decoupled decay on the tiles of this rank; moments in fp32.
class AdamW {
 public:
  AdamW(const config::OptimConfig& config, std::vector<OptimizedTile> tiles);

  /// One update of all tiles. `update` counts from 1 (bias correction); gradients are multiplied by `gradient_scale` on
  /// the way (clipping by global norm).
  void step(tensor::Device& device, std::int64_t update, double lr, double gradient_scale);

  const std::vector<OptimizedTile>& tiles() const { return tiles_; }
  /// First and second moments, in the order of tiles().
  const std::vector<tensor::View>& m() const { return m_; }
  const std::vector<tensor::View>& v() const { return v_; }
  std::size_t moment_bytes() const { return arena_.used_bytes(); }
  static std::size_t moment_bytes(const std::vector<OptimizedTile>& tiles);

 private:
  config::OptimConfig config_;
  std::vector<OptimizedTile> tiles_;
  tensor::Arena arena_;
  std::vector<tensor::View> m_, v_;
};

}  // namespace tessera::optim
