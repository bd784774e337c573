// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/user_block.hpp"
#include "hdf5/hdf5.hpp"

namespace tessera::checkpoint {

RunState read_state(const std::string& path) {
  read_user_block(path);
  const hdf5::File file = hdf5::File::open_read_only(path);
  RunState state;
  state.step = file.int_attribute("/run", "step");
  state.updates = file.int_attribute("/run", "updates");
  state.skips = file.int_attribute("/run", "skips");
  state.tokens = file.int_attribute("/run", "tokens");
  state.mesh = file.string_attribute("/run", "mesh");
  state.tokenizer_fingerprint = file.string_attribute("/run", "tokenizer_fingerprint");
  state.version = file.read_text("/run/version");
  state.config = file.read_text("/run/config");
  state.tokenizer = file.read_text("/run/tokenizer");
  return state;
}

void read_tiles(const std::string& path, const std::vector<TensorTile>& tiles) {
  read_user_block(path);
  const hdf5::File file = hdf5::File::open_read_only(path);
  std::string problems;
  std::vector<std::uint64_t> offsets;
  for (const TensorTile& tensor : tiles) {
    const std::string name = dataset_path(tensor);
    if (!file.exists(name)) {
      problems += fmt::format("\n  {} is missing", name);
      continue;
    }
    const hdf5::DatasetInfo info = file.info(name);
    const std::string shape = fmt::format("[{}]", fmt::join(info.shape, ", "));
    const std::string wanted = tensor.tile.global_shape.str();
    if (info.type != hdf5::Type::f32 || !info.contiguous || shape != wanted)
      problems += fmt::format("\n  {} has shape {}, this model needs {}", name, shape, wanted);
    offsets.push_back(info.file_offset);
  }
  if (!problems.empty())
    base::fail_usage(
        "checkpoint '{}' does not fit this model:{}\nUse the [model] settings it was made with, or another run.dir",
        path, problems);
  const base::PosixFile bytes = base::PosixFile::open_read(path);
  for (std::size_t i = 0; i < tiles.size(); ++i)
    for_each_run(tiles[i].tile, [&](const Run& run) {
      bytes.read_at(offsets[i] + static_cast<std::uint64_t>(run.global_element) * sizeof(float),
                    tiles[i].data.as<float>() + run.tile_element,
                    static_cast<std::size_t>(run.num_elements) * sizeof(float));
    });
}

}  // namespace tessera::checkpoint
