// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <new>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/checksum.hpp"
#include "checkpoint/files.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/user_block.hpp"
#include "hdf5/hdf5.hpp"

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

/// Why a tensor is not what the model needs, "" if it is.
std::string misfit(const hdf5::File& file, const TensorTile& tensor, const hdf5::DatasetInfo& info) {
  const std::string shape = fmt::format("[{}]", fmt::join(info.shape, ", "));
  const std::string wanted = tensor.tile.global_shape.str();
  if (info.type != hdf5::Type::f32 || !info.contiguous || shape != wanted)
    return fmt::format("has shape {}, this model needs {}", shape, wanted);
  return file.has_attribute(info.path, checksum_attribute) ? "" : "has no checksum";
}

/// Fills a tile; true if its checksum is right, or cannot be told from a part.
bool read_tile(const base::PosixFile& bytes, const TensorTile& tensor, std::uint64_t offset,
               const std::string& expected) {
  for_each_run(tensor.tile, [&](const Run& run) {
    bytes.read_at(offset + static_cast<std::uint64_t>(run.global_element) * sizeof(float),
                  tensor.data.as<float>() + run.tile_element,
                  static_cast<std::size_t>(run.num_elements) * sizeof(float));
  });
  const std::int64_t elements = tensor.tile.num_elements();
  return elements != tensor.tile.global_shape.num_elements() ||
         checksum(tensor.data.as<float>(), static_cast<std::size_t>(elements) * sizeof(float)) == expected;
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

void read_tiles(const std::string& path, const std::vector<TensorTile>& tiles) {
  read_user_block(path);
  or_damaged(path, [&] {
    const hdf5::File file = hdf5::File::open_read_only(path);
    const base::PosixFile bytes = base::PosixFile::open_read(path);
    std::string problems;
    for (const TensorTile& tensor : tiles) {
      const std::string name = dataset_path(tensor);
      std::string problem = "is missing";
      if (file.exists(name)) {
        const hdf5::DatasetInfo info = file.info(name);
        problem = misfit(file, tensor, info);
        if (problem.empty() &&
            !read_tile(bytes, tensor, info.file_offset, file.string_attribute(name, checksum_attribute)))
          problem = "has a wrong checksum";
      }
      if (!problem.empty()) problems += fmt::format("\n  {} {}", name, problem);
    }
    if (!problems.empty()) fail_damaged("checkpoint '{}' is damaged:{}\nUse an older one", path, problems);
  });
}

}  // namespace tessera::checkpoint
