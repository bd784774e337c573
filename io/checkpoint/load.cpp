// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <new>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/checksum.hpp"
#include "checkpoint/datasets.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/user_block.hpp"
#include "comm/together.hpp"
#include "hdf5/hdf5.hpp"
#include "json/json.hpp"

namespace tessera::checkpoint {

namespace {

/// What goes wrong behind a sound first block, HDF5's own troubles with a changed byte among them, is damage; but not
/// what the system refuses, as the file may be sound and the next attempt work.
template <class Read>
void or_damaged(const std::string& path, Read read) {
  try {
    read();
  } catch (const base::UsageError&) {
    throw;
  } catch (const base::SystemError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    fail_damaged("checkpoint '{}' is damaged ({}); use an older one", path, error.what());
  }
}

std::string read_text(const hdf5::File& file, const std::string& name, std::uint64_t file_bytes) {
  // A changed shape must not ask for more memory than there is.
  for (const std::uint64_t extent : file.info(name).shape)
    if (extent > file_bytes) base::fail("{} is larger than the file", name);
  std::string text = file.read_text(name);
  if (file.string_attribute(name, checksum_attribute) != checksum(text.data(), text.size()))
    base::fail("{} has a wrong checksum", name);
  return text;
}

/// What the file says of a dataset.
struct Found {
  std::string problem;  ///< why it is not what the model needs, "" if it is
  std::string sum;
  std::uint64_t offset = 0;  ///< of its first byte
};

Found look_up(const hdf5::File& file, const Dataset& wanted, std::uint64_t file_bytes) {
  if (!file.exists(wanted.path)) return {"is missing", "", 0};
  const hdf5::DatasetInfo info = file.info(wanted.path);
  if (info.type != hdf5::Type::f32 || !info.contiguous || info.shape != wanted.shape)
    return {fmt::format("has shape [{}], this model needs [{}]", fmt::join(info.shape, ", "),
                        fmt::join(wanted.shape, ", ")),
            "", 0};
  if (!file.has_attribute(wanted.path, sum_attribute)) return {"has no checksum", "", 0};
  std::uint64_t size_bytes = sizeof(float);
  for (const std::uint64_t extent : info.shape) size_bytes *= extent;
  if (info.file_offset > file_bytes || size_bytes > file_bytes - info.file_offset)
    return {"lies outside the file", "", 0};
  return {"", file.string_attribute(wanted.path, sum_attribute), info.file_offset};
}

/// Throws unless the digest of the model is that of the sums of its tensors.
void require_digest(const hdf5::File& file) {
  std::vector<std::string> lines;
  for (const std::string& path : file.datasets())
    if (path.starts_with(model_prefix) && file.has_attribute(path, sum_attribute))
      lines.push_back(digest_line(path, file.info(path).shape, file.string_attribute(path, sum_attribute)));
  if (!lines.empty() && file.string_attribute(model_group, digest_attribute) != digest(lines))
    base::fail("{} has a wrong digest", model_group);
}

/// All that HDF5 is needed for.
std::vector<Found> look_up(const std::string& path, const std::vector<Dataset>& datasets) {
  const UserBlock block = read_user_block(path);
  std::vector<Found> found;
  or_damaged(path, [&] {
    const hdf5::File file = hdf5::File::open_read_only(path);
    for (const Dataset& dataset : datasets) found.push_back(look_up(file, dataset, block.file_bytes));
    if (std::all_of(found.begin(), found.end(), [](const Found& one) { return one.problem.empty(); }))
      require_digest(file);
  });
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

/// What tiles that were read say of each dataset.
struct Sums {
  std::vector<std::uint64_t> counted;       ///< sum64 of the tiles that are counted
  std::vector<std::uint64_t> wrong_copies;  ///< how many whole copies have another sum than the file says
};

/// Fills the tiles of datasets without a problem.
Sums read(const std::string& path, const std::vector<TensorTile>& tiles, const std::vector<Dataset>& datasets,
          const std::vector<Found>& found) {
  Sums sums{std::vector<std::uint64_t>(datasets.size()), std::vector<std::uint64_t>(datasets.size())};
  or_damaged(path, [&] {
    const base::PosixFile bytes = base::PosixFile::open_read(path);
    for (const TensorTile& tensor : tiles) {
      const std::size_t index = index_of(datasets, tensor);
      if (!found[index].problem.empty()) continue;
      for_each_run(tensor.tile, [&](const Run& run) {
        bytes.read_at(found[index].offset + static_cast<std::uint64_t>(run.global_element) * sizeof(float),
                      tensor.data.as<float>() + run.tile_element,
                      static_cast<std::size_t>(run.num_elements) * sizeof(float));
      });
      if (tensor.counted)
        sums.counted[index] += sum_of_tile(tensor);
      else if (tensor.tile.covers_all() && hex(sum_of_tile(tensor)) != found[index].sum)
        ++sums.wrong_copies[index];
    }
  });
  return sums;
}

void require_sound(const std::string& path, const std::vector<Dataset>& datasets, const std::vector<Found>& found,
                   const Sums& sums) {
  std::string problems;
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    std::string problem = found[i].problem;
    if (problem.empty() && (hex(sums.counted[i]) != found[i].sum || sums.wrong_copies[i] > 0))
      problem = "has a wrong checksum";
    if (!problem.empty()) problems += fmt::format("\n  {} {}", datasets[i].path, problem);
  }
  if (!problems.empty()) fail_damaged("checkpoint '{}' is damaged:{}\nUse an older one", path, problems);
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

}  // namespace

RunState read_state(const std::string& path) {
  const UserBlock block = read_user_block(path);
  RunState state;
  or_damaged(path, [&] {
    const hdf5::File file = hdf5::File::open_read_only(path);
    state.step = file.int_attribute("/run", "step");
    state.updates = file.int_attribute("/run", "updates");
    state.skips = file.int_attribute("/run", "skips");
    state.tokens = file.int_attribute("/run", "tokens");
    state.mesh = file.string_attribute("/run", "mesh");
    state.tokenizer_fingerprint = file.string_attribute("/run", "tokenizer_fingerprint");
    if (file.string_attribute("/run", checksum_attribute) != checksum_of_attributes(state) ||
        static_cast<std::uint64_t>(state.step) != block.step)
      base::fail("the attributes of /run have a wrong checksum");
    state.version = read_text(file, "/run/version", block.file_bytes);
    state.config = read_text(file, "/run/config", block.file_bytes);
    state.tokenizer = read_text(file, "/run/tokenizer", block.file_bytes);
  });
  return state;
}

void read_tiles(const comm::Communicator& ranks, const std::string& path, const std::vector<TensorTile>& tiles) {
  const std::vector<Dataset> datasets = datasets_of(ranks, tiles);
  std::string text;
  together_or_damaged(ranks, "datasets of the checkpoint", [&] {
    if (ranks.rank() == 0) text = to_text(look_up(path, datasets));
  });
  const std::vector<Found> found = from_text(ranks.broadcast_text(text, 0, "datasets of the checkpoint"));
  Sums sums;
  together_or_damaged(ranks, "tiles of the checkpoint read", [&] { sums = read(path, tiles, datasets, found); });
  sums.counted = add_over_ranks(ranks, sums.counted, "checksums of the checkpoint");
  sums.wrong_copies = add_over_ranks(ranks, sums.wrong_copies, "copies of the checkpoint");
  require_sound(path, datasets, found, sums);
}

void read_tiles(const std::string& path, const std::vector<TensorTile>& tiles) {
  const std::vector<Dataset> datasets = datasets_of(tiles);
  const std::vector<Found> found = look_up(path, datasets);
  require_sound(path, datasets, found, read(path, tiles, datasets, found));
}

}  // namespace tessera::checkpoint
