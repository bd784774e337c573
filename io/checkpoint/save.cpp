// SPDX-License-Identifier: Apache-2.0
#include <cassert>
#include <filesystem>
#include <fmt/core.h>
#include <map>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/checksum.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/user_block.hpp"
#include "comm/together.hpp"
#include "hdf5/hdf5.hpp"
#include "json/json.hpp"

namespace tessera::checkpoint {

namespace fs = std::filesystem;

namespace {

/// The datasets this rank has tiles of, as JSON: [["/model/x", [2, 3], "0123456789abcdef"], ...], checksums last.
std::string describe(const std::vector<TensorTile>& tiles) {
  json::Json list{json::Array{}};
  for (const TensorTile& tensor : tiles) {
    assert(tensor.tile.num_elements() == tensor.tile.global_shape.num_elements());
    json::Json shape{json::Array{}};
    for (int dim = 0; dim < tensor.tile.global_shape.num_dims(); ++dim) shape.push(tensor.tile.global_shape[dim]);
    json::Json entry{json::Array{}};
    entry.push(dataset_path(tensor));
    entry.push(std::move(shape));
    const auto size_bytes = static_cast<std::size_t>(tensor.tile.num_elements()) * sizeof(float);
    entry.push(checksum(tensor.data.as<float>(), size_bytes));
    list.push(std::move(entry));
  }
  return list.dump();
}

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

/// Rank 0: the whole file but the tensors' bytes. Returns the byte offset of each dataset as JSON.
std::string lay_out(const std::string& path, const RunState& state, const std::vector<std::string>& descriptions) {
  hdf5::File file = hdf5::File::create(path, user_block_bytes);
  write_state(file, state);
  json::Json offsets{json::Object{}};
  std::map<std::string, bool> known;
  for (const std::string& description : descriptions) {
    const json::Json list = json::parse(description, "tiles of a rank");
    for (const json::Json& entry : list.as_array()) {
      const std::string& name = entry.as_array()[0].as_string();
      if (!known.emplace(name, true).second) continue;
      std::vector<std::uint64_t> shape;
      for (const json::Json& extent : entry.as_array()[1].as_array())
        shape.push_back(static_cast<std::uint64_t>(extent.as_int()));
      offsets.set(name, file.create_dataset(name, hdf5::Type::f32, shape).file_offset);
      file.set_attribute(name, checksum_attribute, entry.as_array()[2].as_string());
    }
  }
  file.close();
  return offsets.dump();
}

void write_tiles(const std::string& path, const std::vector<TensorTile>& tiles, const std::string& offsets_text) {
  if (tiles.empty()) return;
  std::map<std::string, std::uint64_t> offsets;
  const json::Json list = json::parse(offsets_text, "offsets of datasets");
  for (const auto& [name, offset] : list.as_object()) offsets[name] = static_cast<std::uint64_t>(offset.as_int());
  base::PosixFile file = base::PosixFile::open_write(path);
  for (const TensorTile& tensor : tiles) {
    const std::uint64_t start = offsets.at(dataset_path(tensor));
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
  const std::vector<std::string> descriptions = ranks.gather_text(describe(tiles), "tiles of the checkpoint");
  std::string offsets;
  comm::together(ranks, "layout of the checkpoint", [&] {
    if (ranks.rank() != 0) return;
    fs::create_directories(fs::path(path).parent_path());
    fs::remove(temporary);
    offsets = lay_out(temporary, state, descriptions);
  });
  offsets = ranks.broadcast_text(offsets, 0, "offsets of the checkpoint");
  comm::together(ranks, "tiles of the checkpoint written", [&] { write_tiles(temporary, tiles, offsets); });
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
