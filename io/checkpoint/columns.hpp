// SPDX-License-Identifier: Apache-2.0
// In a file a tile that has part of the columns of its rows is one small stretch a row. The ranks of a columns axis
// (the tensor ranks of a training) hold the other columns of the same rows: they exchange, so that each writes and
// reads whole rows, and few long stretches.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "comm/communicator.hpp"
#include "tensor/range.hpp"

namespace tessera::checkpoint {

/// Below this a stretch is not divided any further.
inline constexpr std::int64_t least_stretch_bytes = std::int64_t{1} << 20;

/// A matrix tile that the axis exchanges.
struct ColumnCut {
  tensor::Tile tile;                   ///< of this rank
  std::vector<tensor::Range> columns;  ///< of each rank of the axis: together all of them
  std::vector<tensor::Range> rows;  ///< of the tile, from 0, that each rank has whole; many are empty in small tensors
  tensor::Range my_rows;
  std::int64_t width() const { return tile.global_shape[1]; }
  std::int64_t num_elements() const { return my_rows.size * width(); }  ///< that this rank has whole
  std::int64_t first_element() const { return (tile.offset[0] + my_rows.first) * width(); }  ///< of the tensor
};

/// True for a matrix tile with elements that lacks columns.
bool lacks_columns(const tensor::Tile& tile);

/// `num_rows` rows of `row_bytes` dealt out to the ranks of an axis in parts of at least least_stretch_bytes, beginning
/// with rank `rotation` modulo their number. Pure.
std::vector<tensor::Range> deal_rows(std::int64_t num_rows, std::int64_t row_bytes, int ranks, std::int64_t rotation);

/// The counted tiles that are not empty, in the order in which they lie in a file.
std::vector<TensorTile> in_file_order(std::vector<TensorTile> tiles);

/// The exchange of each counted tile that lacks columns, in the order of `tiles`; none on an axis of one rank. Throws
/// std::logic_error, on every rank alike, unless the ranks' tiles are the columns of the same rows. Collective.
std::vector<ColumnCut> column_cuts(const comm::Communicator& axis, const std::vector<TensorTile>& tiles);

/// Bytes that a Saver with these tiles (of which it needs no data) copies on rank `rank` of a columns axis: with async
/// all that it writes, else the largest exchange; and as much as the largest exchange on the way. Pure.
std::uint64_t copied_bytes(std::vector<TensorTile> tiles, int ranks, int rank, bool async);

/// whole [my_rows, width] = the rows of this rank, from the tiles [rows, own columns] of all. `scratch`: as large as
/// `whole`. Collective.
void gather_columns(const comm::Communicator& axis, const ColumnCut& cut, const float* tile, float* whole,
                    std::vector<float>& scratch);
/// The way back: fills the tile from the whole rows of all. Collective.
void scatter_columns(const comm::Communicator& axis, const ColumnCut& cut, const float* whole, float* tile,
                     std::vector<float>& scratch);

}  // namespace tessera::checkpoint
