// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/columns.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <stdexcept>

#include "checkpoint/files.hpp"
#include "comm/together.hpp"

namespace tessera::checkpoint {
namespace {

constexpr int kTag = 1;
constexpr std::int64_t kElementBytes = sizeof(float);
constexpr const char* kWhat = "columns of the checkpoint";

std::size_t index(std::int64_t value) {
  return static_cast<std::size_t>(value);
}

/// Copies columns [first, first + part) of `whole` [rows, width] from or to `packed` [rows, part].
template <class Copy>
void for_each_row(const ColumnCut& cut, const tensor::Range& columns, Copy copy) {
  for (std::int64_t row = 0; row < cut.my_rows.size; ++row) copy(row * cut.width() + columns.first, row * columns.size);
}

}  // namespace

bool lacks_columns(const tensor::Tile& tile) {
  return tile.global_shape.num_dims() == 2 && tile.num_elements() > 0 && tile.extent[1] < tile.global_shape[1];
}

std::vector<tensor::Range> deal_rows(std::int64_t num_rows, std::int64_t row_bytes, int ranks, std::int64_t rotation) {
  const std::int64_t parts = std::clamp<std::int64_t>(num_rows * row_bytes / least_stretch_bytes, 1, ranks);
  std::vector<tensor::Range> rows(index(ranks));
  for (std::int64_t part = 0; part < parts; ++part)
    rows[index((rotation + part) % ranks)] = tensor::part_of(num_rows, static_cast<int>(parts), static_cast<int>(part));
  return rows;
}

std::vector<ColumnCut> column_cuts(const comm::Communicator& axis, const std::vector<TensorTile>& tiles) {
  std::vector<ColumnCut> cuts;
  if (axis.size() == 1) return cuts;
  for (const TensorTile& tensor : tiles)
    if (tensor.counted && lacks_columns(tensor.tile)) cuts.push_back({tensor.tile, {}, {}, {}});

  std::vector<std::int64_t> counts(index(axis.size()));
  const auto num_cuts = static_cast<std::int64_t>(cuts.size());
  axis.all_gather<std::int64_t>({&num_cuts, 1}, counts, kWhat);
  if (std::any_of(counts.begin(), counts.end(), [&](std::int64_t count) { return count != num_cuts; }))
    throw std::logic_error("the ranks of the columns axis hold unlike numbers of column-cut tiles");

  constexpr std::size_t kNumbers = 4;  // of a tile
  std::vector<std::int64_t> mine, all(kNumbers * cuts.size() * counts.size());
  for (const ColumnCut& cut : cuts)
    mine.insert(mine.end(), {cut.tile.offset[0], cut.tile.extent[0], cut.tile.offset[1], cut.tile.extent[1]});
  axis.all_gather<std::int64_t>(mine, all, kWhat);
  bool fits = true;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    ColumnCut& cut = cuts[i];
    std::int64_t width = 0;
    for (int rank = 0; rank < axis.size(); ++rank) {
      const std::int64_t* numbers = all.data() + mine.size() * index(rank) + kNumbers * i;
      cut.columns.push_back({numbers[2], numbers[3]});
      width += numbers[3];
      fits = fits && numbers[0] == cut.tile.offset[0] && numbers[1] == cut.tile.extent[0];
    }
    fits = fits && width == cut.width();
    cut.rows = deal_rows(cut.tile.extent[0], cut.width() * kElementBytes, axis.size(), static_cast<std::int64_t>(i));
    cut.my_rows = cut.rows[index(axis.rank())];
  }
  if (axis.sum(fits ? 0 : 1, kWhat) > 0)
    throw std::logic_error("column-cut tiles on the columns axis are not the columns of the same rows");
  return cuts;
}

std::vector<TensorTile> in_file_order(std::vector<TensorTile> tiles) {
  std::erase_if(tiles, [](const TensorTile& tensor) { return !tensor.counted || tensor.tile.num_elements() == 0; });
  std::sort(tiles.begin(), tiles.end(),
            [](const TensorTile& a, const TensorTile& b) { return dataset_path(a) < dataset_path(b); });
  return tiles;
}

std::uint64_t copied_bytes(std::vector<TensorTile> tiles, int ranks, int rank, bool async) {
  std::int64_t elements = 0, largest = 0, rotation = 0;
  for (const TensorTile& tensor : in_file_order(std::move(tiles))) {
    const tensor::Tile& tile = tensor.tile;
    if (ranks == 1 || !lacks_columns(tile)) {
      elements += tile.num_elements();
      continue;
    }
    const std::int64_t width = tile.global_shape[1];
    const std::vector<tensor::Range> rows = deal_rows(tile.extent[0], width * kElementBytes, ranks, rotation++);
    elements += rows[index(rank)].size * width;
    largest = std::max(largest, rows[index(rank)].size * width);
  }
  return static_cast<std::uint64_t>((async ? elements : largest) + largest) * sizeof(float);
}

void gather_columns(const comm::Communicator& axis, const ColumnCut& cut, const float* tile, float* whole,
                    std::vector<float>& scratch) {
  scratch.resize(std::max(scratch.size(), index(cut.num_elements())));
  const std::int64_t my_columns = cut.tile.extent[1];
  std::vector<comm::Request> sends, receives;
  std::vector<float*> packed(index(axis.size()));
  float* next = scratch.data();
  for (int rank = 0; rank < axis.size(); ++rank) {
    packed[index(rank)] = next;
    const std::int64_t elements = cut.my_rows.size * cut.columns[index(rank)].size;
    receives.push_back(rank == axis.rank() ? comm::Request()
                                           : axis.ireceive<float>({next, index(elements)}, rank, kTag));
    next += elements;
  }
  for (int rank = 0; rank < axis.size(); ++rank) {
    const tensor::Range& rows = cut.rows[index(rank)];
    if (rank != axis.rank())
      sends.push_back(axis.isend<float>({tile + rows.first * my_columns, index(rows.size * my_columns)}, rank, kTag));
  }
  for (int rank = 0; rank < axis.size(); ++rank) {
    axis.wait(receives[index(rank)], kWhat);
    const tensor::Range& columns = cut.columns[index(rank)];
    const float* from = rank == axis.rank() ? tile + cut.my_rows.first * my_columns : packed[index(rank)];
    for_each_row(cut, columns, [&](std::int64_t in_whole, std::int64_t in_packed) {
      std::copy_n(from + in_packed, columns.size, whole + in_whole);
    });
  }
  for (comm::Request& send : sends) axis.wait(send, kWhat);
}

void scatter_columns(const comm::Communicator& axis, const ColumnCut& cut, const float* whole, float* tile,
                     std::vector<float>& scratch) {
  scratch.resize(std::max(scratch.size(), index(cut.num_elements())));
  const std::int64_t my_columns = cut.tile.extent[1];
  std::vector<comm::Request> requests;
  for (int rank = 0; rank < axis.size(); ++rank) {
    const tensor::Range& rows = cut.rows[index(rank)];
    if (rank != axis.rank())
      requests.push_back(
          axis.ireceive<float>({tile + rows.first * my_columns, index(rows.size * my_columns)}, rank, kTag));
  }
  float* next = scratch.data();
  for (int rank = 0; rank < axis.size(); ++rank) {
    const tensor::Range& columns = cut.columns[index(rank)];
    float* const to = rank == axis.rank() ? tile + cut.my_rows.first * my_columns : next;
    for_each_row(cut, columns, [&](std::int64_t in_whole, std::int64_t in_packed) {
      std::copy_n(whole + in_whole, columns.size, to + in_packed);
    });
    if (rank == axis.rank()) continue;
    const std::int64_t elements = cut.my_rows.size * columns.size;
    requests.push_back(axis.isend<float>({next, index(elements)}, rank, kTag));
    next += elements;
  }
  for (comm::Request& request : requests) axis.wait(request, kWhat);
}

}  // namespace tessera::checkpoint
