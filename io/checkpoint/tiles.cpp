// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/tiles.hpp"

#include <algorithm>
#include <exception>
#include <fmt/ranges.h>
#include <functional>
#include <optional>

#include "base/posix_file.hpp"
#include "checkpoint/checksum.hpp"
#include "checkpoint/columns.hpp"
#include "checkpoint/datasets.hpp"
#include "checkpoint/file_reader.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/layout.hpp"
#include "comm/together.hpp"
#include "json/json.hpp"

namespace tessera::checkpoint {
namespace {

constexpr std::int64_t kPieceElements = std::int64_t{1} << 16;

/// What the file says of a dataset.
struct Found {
  std::string problem;  ///< why it is not what the model needs, "" if it is
  std::string sum;
  std::uint64_t offset = 0;  ///< of its first byte
};

/// All that HDF5 is needed for, by one rank.
std::vector<Found> look_up(const std::string& path, const std::vector<Dataset>& datasets) {
  const FileReader file(path);
  std::vector<Found> found;
  for (const Dataset& wanted : datasets) {
    const FileReader::Tensor* tensor = file.find(wanted.path);
    if (!tensor)
      found.push_back({"is missing", "", 0});
    else if (tensor->shape != wanted.shape)
      found.push_back({fmt::format("has shape [{}], this model needs [{}]", fmt::join(tensor->shape, ", "),
                                   fmt::join(wanted.shape, ", ")),
                       "", 0});
    else
      found.push_back({"", tensor->sum, tensor->offset});
  }
  return found;
}

std::string to_text(const std::vector<Found>& found) {
  json::Json list{json::Array{}};
  for (const Found& one : found) list.push(json::Array{one.problem, one.sum, one.offset});
  return list.dump();
}

std::vector<Found> from_text(const std::string& text) {
  std::vector<Found> found;
  const json::Json list = json::parse(text, "datasets of the checkpoint");
  for (const json::Json& one : list.as_array()) {
    const json::Array& parts = one.as_array();
    found.push_back({parts[0].as_string(), parts[1].as_string(), static_cast<std::uint64_t>(parts[2].as_int())});
  }
  return found;
}

/// comm::together() that keeps damage apart: of that all ranks throw the DamagedError of the lowest rank that met it.
void together_or_damaged(const comm::Communicator& ranks, const char* what, const std::function<void()>& action) {
  std::string damage;
  comm::together(ranks, what, [&] {
    try {
      action();
    } catch (const DamagedError& error) {
      damage = error.what();
    }
  });
  for (const std::string& of_rank : ranks.gather_text(damage, what))
    if (!of_rank.empty()) throw DamagedError(of_rank);
}

/// Reads `count` elements of a dataset in pieces that stay in the cache until they are summed.
std::uint64_t read_and_sum(const base::PosixFile& file, std::uint64_t offset, std::int64_t first, std::int64_t count,
                           float* to) {
  std::uint64_t sum = 0;
  for (std::int64_t done = 0; done < count; done += kPieceElements) {
    const std::int64_t piece = std::min(kPieceElements, count - done);
    file.read_at(offset + static_cast<std::uint64_t>(first + done) * sizeof(float), to + done,
                 static_cast<std::size_t>(piece) * sizeof(float));
    sum += sum_of_elements(to + done, piece, first + done);
  }
  return sum;
}

/// `sums`: of what was read; none if nothing was, as something is missing.
void require_sound(const std::string& path, const std::vector<Dataset>& datasets, const std::vector<Found>& found,
                   const std::vector<std::uint64_t>& sums) {
  std::string problems;
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    std::string problem = found[i].problem;
    if (problem.empty() && !sums.empty() && hex(sums[i]) != found[i].sum) problem = "has a wrong checksum";
    if (!problem.empty()) problems += fmt::format("\n  {} {}", datasets[i].path, problem);
  }
  if (!problems.empty()) fail_damaged("checkpoint '{}' is damaged:{}\nUse an older one", path, problems);
}

}  // namespace

RunState read_state(const comm::Communicator& ranks, const std::string& path) {
  constexpr const char* kWhat = "state of the checkpoint";
  RunState state;
  together_or_damaged(ranks, kWhat, [&] {
    if (ranks.rank() == 0) state = read_state(path);
  });
  for (std::int64_t* number : {&state.step, &state.updates, &state.skips, &state.tokens})
    ranks.broadcast<std::int64_t>({number, 1}, 0, kWhat);
  for (std::string* text :
       {&state.config, &state.version, &state.mesh, &state.tokenizer, &state.tokenizer_fingerprint, &state.data})
    *text = ranks.broadcast_text(*text, 0, kWhat);
  return state;
}

void read_tiles(const comm::Communicator& ranks, const comm::Communicator& columns, const std::string& path,
                const std::vector<TensorTile>& all_tiles) {
  const std::vector<Dataset> datasets = datasets_of(ranks, all_tiles);
  const std::vector<TensorTile> tiles = in_file_order(all_tiles);  // so that the system reads ahead
  const std::vector<ColumnCut> cuts = column_cuts(columns, tiles);
  std::string text;
  together_or_damaged(ranks, "datasets of the checkpoint", [&] {
    if (ranks.rank() == 0) text = to_text(look_up(path, datasets));
  });
  const std::vector<Found> found = from_text(ranks.broadcast_text(text, 0, "datasets of the checkpoint"));
  const bool all_there = std::all_of(found.begin(), found.end(), [](const Found& one) { return one.problem.empty(); });
  if (!all_there) require_sound(path, datasets, found, {});
  std::vector<std::uint64_t> sums(datasets.size());

  // A rank that cannot read goes on sending, as others wait for its rows; that it could not is told at the end.
  std::exception_ptr failure;
  std::optional<base::PosixFile> file;
  const auto read = [&](std::size_t index, std::int64_t first, std::int64_t count, float* to) {
    if (failure) return;
    try {
      if (!file) file.emplace(base::PosixFile::open_read(path));
      sums[index] += read_and_sum(*file, found[index].offset, first, count, to);
    } catch (...) {
      failure = std::current_exception();
    }
  };
  std::vector<float> rows, scratch;
  std::size_t next_cut = 0;
  for (const TensorTile& tensor : tiles) {
    const std::size_t index = index_of(datasets, tensor);
    if (cuts.empty() || !lacks_columns(tensor.tile)) {
      for_each_run(tensor.tile, [&](const Run& run) {
        read(index, run.global_element, run.num_elements, tensor.data.as<float>() + run.tile_element);
      });
      continue;
    }
    const ColumnCut& cut = cuts[next_cut++];
    rows.resize(std::max(rows.size(), static_cast<std::size_t>(cut.num_elements())));
    read(index, cut.first_element(), cut.num_elements(), rows.data());
    scatter_columns(columns, cut, rows.data(), tensor.data.as<float>(), scratch);
  }
  together_or_damaged(ranks, "tiles of the checkpoint read", [&] {
    if (failure) std::rethrow_exception(failure);
  });
  require_sound(path, datasets, found, add_over_ranks(ranks, sums, "checksums of the checkpoint"));
}

}  // namespace tessera::checkpoint
