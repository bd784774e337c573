// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <fmt/core.h>

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

namespace tessera::checkpoint {

namespace fs = std::filesystem;

namespace {

void write_text(hdf5::File& file, const std::string& name, const std::string& text) {
  file.write_text(name, text);
  file.set_attribute(name, checksum_attribute, checksum(text.data(), text.size()));
}

void write_state(hdf5::File& file, const RunState& state) {
  file.create_group("/run");
  file.set_attribute("/", "format", std::string("tessera checkpoint"));
  file.set_attribute("/", "format_version", format_version);
  file.set_attribute("/run", "step", state.step);
  file.set_attribute("/run", "updates", state.updates);
  file.set_attribute("/run", "skips", state.skips);
  file.set_attribute("/run", "tokens", state.tokens);
  file.set_attribute("/run", "mesh", state.mesh);
  file.set_attribute("/run", "tokenizer_fingerprint", state.tokenizer_fingerprint);
  file.set_attribute("/run", checksum_attribute, checksum_of_attributes(state));
  write_text(file, "/run/version", state.version);
  write_text(file, "/run/config", state.config);
  write_text(file, "/run/tokenizer", state.tokenizer);
}

/// Rank 0: the whole file but the tensors' bytes. Returns the byte offset of each dataset.
std::vector<std::uint64_t> lay_out(const std::string& path, const RunState& state, const std::vector<Dataset>& datasets,
                                   const std::vector<std::uint64_t>& sums) {
  hdf5::File file = hdf5::File::create(path, user_block_bytes);
  write_state(file, state);
  std::vector<std::uint64_t> offsets;
  std::vector<std::string> model;
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    const auto& [name, shape] = datasets[i];
    offsets.push_back(file.create_dataset(name, hdf5::Type::f32, shape).file_offset);
    file.set_attribute(name, sum_attribute, hex(sums[i]));
    if (name.starts_with(model_prefix)) model.push_back(digest_line(name, shape, hex(sums[i])));
  }
  if (!model.empty()) file.set_attribute(model_group, digest_attribute, digest(model));
  file.close();
  return offsets;
}

void write_tiles(const std::string& path, const std::vector<TensorTile>& tiles, const std::vector<Dataset>& datasets,
                 const std::vector<std::uint64_t>& offsets) {
  const auto is_written = [](const TensorTile& tensor) { return tensor.counted && tensor.tile.num_elements() > 0; };
  if (std::none_of(tiles.begin(), tiles.end(), is_written)) return;
  base::PosixFile file = base::PosixFile::open_write(path);
  for (const TensorTile& tensor : tiles) {
    if (!is_written(tensor)) continue;
    const std::uint64_t start = offsets[index_of(datasets, tensor)];
    for_each_run(tensor.tile, [&](const Run& run) {
      file.write_at(start + static_cast<std::uint64_t>(run.global_element) * sizeof(float),
                    tensor.data.as<float>() + run.tile_element,
                    static_cast<std::size_t>(run.num_elements) * sizeof(float));
    });
  }
  file.sync();
}

bool is_complete(const std::string& path) {
  try {
    read_user_block(path);
    return true;
  } catch (const base::Error&) {
    return false;
  }
}

/// Removes complete checkpoints older than the newest `keep` >= 1, of which `newest` is one. Files of a higher step and
/// damaged ones neither count nor go: none may displace what was just written.
void remove_old(const std::string& newest, std::int64_t keep) {
  const fs::path kept(newest);
  const auto newest_step = step_of(kept.filename().string());
  std::vector<std::string> older;  // oldest first
  for (const auto& [step, file] : list_files(kept.parent_path().string()))
    if (step < newest_step && is_complete(file)) older.push_back(file);
  const auto num_kept = static_cast<std::size_t>(keep - 1);
  for (std::size_t i = 0; i + num_kept < older.size(); ++i) {
    std::error_code ignored;  // the checkpoint is saved; the next one tries again
    fs::remove(older[i], ignored);
  }
}

void publish(const std::string& temporary, const std::string& path, const RunState& state, std::int64_t keep) {
  const std::uint64_t size = base::PosixFile::open_read(temporary).size_bytes();
  write_user_block(temporary,
                   {static_cast<std::uint64_t>(format_version), size, static_cast<std::uint64_t>(state.step)});
  base::publish_file(temporary, path);
  if (keep > 0) remove_old(path, keep);
}

void write_file(const comm::Communicator& ranks, const std::string& path, const std::string& temporary,
                const RunState& state, const std::vector<TensorTile>& tiles, std::int64_t keep) {
  const std::vector<Dataset> datasets = datasets_of(ranks, tiles);
  std::vector<std::uint64_t> sums(datasets.size()), offsets(datasets.size());
  for (const TensorTile& tensor : tiles)
    if (tensor.counted) sums[index_of(datasets, tensor)] += sum_of_tile(tensor);
  sums = add_over_ranks(ranks, sums, "checksums of the checkpoint");
  comm::together(ranks, "layout of the checkpoint", [&] {
    if (ranks.rank() != 0) return;
    fs::create_directories(fs::path(path).parent_path());
    fs::remove(temporary);
    offsets = lay_out(temporary, state, datasets, sums);
  });
  ranks.broadcast<std::uint64_t>(offsets, 0, "offsets of the checkpoint");
  comm::together(ranks, "tiles of the checkpoint written", [&] { write_tiles(temporary, tiles, datasets, offsets); });
  comm::together(ranks, "checkpoint published", [&] {
    if (ranks.rank() == 0) publish(temporary, path, state, keep);
  });
}

}  // namespace

std::string save(const comm::Communicator& ranks, const std::string& dir, const RunState& state,
                 const std::vector<TensorTile>& tiles, std::int64_t keep) {
  const std::string path = file_name(dir, state.step), temporary = path + ".tmp";
  try {
    write_file(ranks, path, temporary, state, tiles, keep);
  } catch (const base::SharedError& error) {
    std::error_code ignored;
    if (ranks.rank() == 0) fs::remove(temporary, ignored);
    throw base::SharedError(
        fmt::format("step {}: checkpoint '{}' cannot be saved: {}. Check free space, quota and permissions, then start "
                    "the same command again: it goes on from the checkpoint before",
                    state.step, path, error.what()),
        error.code());
  }
  return path;
}

}  // namespace tessera::checkpoint
