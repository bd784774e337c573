// SPDX-License-Identifier: Apache-2.0
// Checkpoints written under one cut of the tensors and read under another.
#include "checkpoint/checkpoint.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <stdexcept>
#include <unistd.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "checkpoint/file_reader.hpp"
#include "checkpoint/file_writer.hpp"
#include "checkpoint/saver.hpp"
#include "checkpoint/tiles.hpp"
#include "checkpoint/user_block.hpp"
#include "comm/together.hpp"
#include "hdf5/hdf5.hpp"
#include "mpi/world.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;
using checkpoint::TensorTile;
using tensor::Shape;
using tensor::Tile;

/// What each rank holds of a matrix.
enum class Cut { rows, columns, grid, copies, first_rank, last_rank };  // grid: two copies of fewer columns
constexpr Cut kCuts[] = {Cut::rows, Cut::columns, Cut::grid, Cut::copies, Cut::first_rank, Cut::last_rank};

struct Tensor {
  std::string group;
  Tile whole;
};

/// More columns than rows and fewer rows than ranks in one of them, so that some tiles are empty.
const std::vector<Tensor>& tensors() {
  static const std::vector<Tensor> all{{"model", tensor::whole("bias", {7})},
                                       {"model", tensor::whole("up", {6, 10})},
                                       {"model", tensor::whole("short", {2, 33})},
                                       {"optimizer/m", tensor::whole("up", {6, 10})}};
  return all;
}

/// Value of a global element: another one for each tensor and element.
float value_of(const Tensor& tensor, std::int64_t element) {
  const auto salt = static_cast<float>(tensor.group.size() + 16 * tensor.whole.name.size());
  return std::sin(salt + static_cast<float>(element));
}

/// Tiles of one rank, with their memory.
class Tiles {
 public:
  Tiles(const comm::Communicator& ranks, Cut cut) : values_(tensors().size()) {
    for (std::size_t i = 0; i < tensors().size(); ++i) add(ranks, cut, i);
  }

  void fill() {
    visit([](float& value, float right) { value = right; });
  }
  /// Of what a checkpoint reads: the counted tiles.
  std::int64_t num_wrong() {
    std::int64_t wrong = 0;
    visit([&](float& value, float right) { wrong += value != right; });
    return wrong;
  }
  std::vector<TensorTile> tiles;

 private:
  void add(const comm::Communicator& ranks, Cut cut, std::size_t index) {
    const Tensor& tensor = tensors()[index];
    Tile tile = tensor.whole;
    bool counted = true;
    const int last_dim = tile.extent.num_dims() - 1;
    if (cut == Cut::rows || cut == Cut::columns) {
      const int dim = cut == Cut::rows ? 0 : last_dim;
      tile = tensor::cut(tile, dim, tensor::part_of(tile.extent[dim], ranks.size(), ranks.rank()));
    } else if (cut == Cut::grid) {
      const int parts = (ranks.size() + 1) / 2;
      tile = tensor::cut(tile, last_dim, tensor::part_of(tile.extent[last_dim], parts, ranks.rank() % parts));
      counted = ranks.rank() < parts;
    } else if (cut == Cut::copies) {
      counted = ranks.rank() == 0;
    } else if (ranks.rank() != (cut == Cut::first_rank ? 0 : ranks.size() - 1)) {
      return;
    }
    values_[index].resize(static_cast<std::size_t>(tile.num_elements()) + 1, -9.0f);
    tiles.push_back({tensor.group, tile, tensor::View(values_[index].data(), tile.extent), counted});
    owners_.push_back(&tensor);
  }

  void visit(const std::function<void(float& value, float right)>& call) {
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      const Tile& tile = tiles[i].tile;
      const std::int64_t columns = tile.extent[tile.extent.num_dims() - 1],
                         width = tile.global_shape[tile.extent.num_dims() - 1];
      const std::int64_t first_column = tile.offset[tile.extent.num_dims() - 1];
      const std::int64_t first_row = tile.extent.num_dims() == 1 ? 0 : tile.offset[0];
      for (std::int64_t e = 0; tiles[i].counted && e < tile.num_elements(); ++e)
        call(tiles[i].data.as<float>()[e],
             value_of(*owners_[i], (first_row + e / columns) * width + first_column + e % columns));
    }
  }

  std::vector<std::vector<float>> values_;
  std::vector<const Tensor*> owners_;
};

checkpoint::RunState state_of_step(std::int64_t step) {
  checkpoint::RunState state;
  state.step = step;
  state.config = "[run]\n";
  return state;
}

/// A folder that all ranks know, gone at the end.
struct Folder {
  const comm::Communicator& ranks = world();
  std::string path = ranks.broadcast_text(
      (fs::temp_directory_path() / ("tessera-mpi-checkpoint-" + std::to_string(getpid()))).string(), 0, "folder");

  ~Folder() {
    ranks.barrier("end of the test");
    if (ranks.rank() == 0) fs::remove_all(path);
  }

  /// The ranks that hold the other columns of a matrix.
  comm::Communicator columns(Cut cut) const {
    const int parts = (ranks.size() + 1) / 2;
    if (cut == Cut::columns) return ranks.split(0);
    if (cut == Cut::grid) return ranks.split(ranks.rank() / parts);
    return ranks.split(ranks.rank());
  }
  std::string save(Cut cut, std::int64_t step, bool async = false) const {
    Tiles tiles(ranks, cut);
    tiles.fill();
    return save(cut, step, tiles, async);
  }
  std::string save(Cut cut, std::int64_t step, const Tiles& tiles, bool async = false) const {
    const comm::Communicator axis = columns(cut);
    checkpoint::Saver saver(ranks, axis, tiles.tiles, {path, {9, 0}, async, 0});
    saver.begin(state_of_step(step));
    if (async)  // the copy is what is written
      for (const TensorTile& tensor : tiles.tiles)
        for (std::int64_t e = 0; e < tensor.tile.num_elements(); ++e) tensor.data.as<float>()[e] = -1.0f;
    return saver.finish()->path;
  }
  void read(const std::string& file, Cut cut, const Tiles& tiles) const {
    checkpoint::read_tiles(ranks, columns(cut), file, tiles.tiles);
  }

  /// Bytes of element `element` of a dataset, changed by rank 0.
  void change(const std::string& file, const std::string& dataset, std::int64_t element, std::uint32_t mask) const {
    comm::together(ranks, "element changed", [&] {
      if (ranks.rank() != 0) return;
      const std::uint64_t at = hdf5::File::open_read_only(file).info(dataset).file_offset + 4u * element;
      std::uint32_t bits = 0;
      base::PosixFile::open_read(file).read_at(at, &bits, sizeof bits);
      bits ^= mask;
      base::PosixFile::open_write(file).write_at(at, &bits, sizeof bits);
    });
  }

  /// Message of the DamagedError that reading throws, "" if it throws none.
  std::string damage(const std::string& file, Cut cut) const {
    Tiles tiles(ranks, cut);
    try {
      read(file, cut, tiles);
    } catch (const checkpoint::DamagedError& error) {
      return error.what();
    }
    return "";
  }
};

/// All checksums of a file's tensors, and the digest of the model.
std::map<std::string, std::string> sums_of(const std::string& path) {
  const hdf5::File file = hdf5::File::open_read_only(path);
  std::map<std::string, std::string> sums{{"digest", file.string_attribute("/model", "digest")}};
  for (const Tensor& tensor : tensors()) {
    const std::string name = "/" + tensor.group + "/" + tensor.whole.name;
    sums[name] = file.string_attribute(name, "sum64");
  }
  return sums;
}

BOOST_FIXTURE_TEST_CASE(any_cut_is_read_under_any_other, Folder) {
  for (const Cut saved : kCuts) {
    const std::string file = save(saved, static_cast<std::int64_t>(saved), saved == Cut::grid || saved == Cut::rows);
    for (const Cut cut : kCuts) {
      Tiles tiles(ranks, cut);
      const auto is_counted = [](const TensorTile& tensor) { return tensor.counted && tensor.tile.num_elements() > 0; };
      BOOST_TEST((std::none_of(tiles.tiles.begin(), tiles.tiles.end(), is_counted) || tiles.num_wrong() > 0));
      read(file, cut, tiles);
      BOOST_TEST(tiles.num_wrong() == 0);
    }
  }
}

BOOST_FIXTURE_TEST_CASE(one_process_reads_what_all_wrote, Folder) {
  const std::string file = save(Cut::columns, 3);
  const comm::Communicator alone = ranks.split(ranks.rank());
  Tiles tiles(alone, Cut::copies);
  checkpoint::read_tiles(alone, alone, file, tiles.tiles);
  BOOST_TEST(tiles.num_wrong() == 0);
}

BOOST_FIXTURE_TEST_CASE(checksums_do_not_depend_on_the_cut_but_on_every_value, Folder) {
  const std::string rows = save(Cut::rows, 1);
  const auto sums = sums_of(rows);
  for (const Cut cut : kCuts) BOOST_TEST((sums_of(save(cut, 2)) == sums));

  for (const std::size_t changed : {std::size_t{1}, std::size_t{3}}) {  // a weight, a moment
    Tiles tiles(ranks, Cut::copies);
    tiles.fill();
    tiles.tiles[changed].data.as<float>()[17] += 1e-6f;
    const auto now = sums_of(save(Cut::copies, 4, tiles));
    const std::string name = "/" + tensors()[changed].group + "/up";
    for (const auto& [dataset, sum] : sums) {
      const bool is_changed = dataset == name || (dataset == "digest" && changed == 1);
      BOOST_TEST((now.at(dataset) != sum) == is_changed, dataset);
    }
  }
}

BOOST_FIXTURE_TEST_CASE(a_copy_that_is_not_counted_is_never_written, Folder) {
  Tiles tiles(ranks, Cut::copies);
  tiles.fill();
  if (ranks.rank() != 0)
    for (const TensorTile& tensor : tiles.tiles) tensor.data.as<float>()[0] = 5.0f;
  const std::string file = save(Cut::copies, 1, tiles);
  Tiles again(ranks, Cut::copies);
  read(file, Cut::copies, again);
  BOOST_TEST(again.num_wrong() == 0);
}

BOOST_FIXTURE_TEST_CASE(damage_is_named_alike_on_all_ranks, Folder) {
  const std::string file = save(Cut::rows, 1);
  for (const Cut cut : kCuts) BOOST_TEST(damage(file, cut) == "");
  change(file, "/model/up", 59, 1u << 9);
  for (const Cut cut : kCuts) {
    const std::string one = damage(file, cut);
    BOOST_TEST(one.find("\n  /model/up has a wrong checksum\n") != std::string::npos, one);
    BOOST_TEST(one.find("/model/bias") == std::string::npos, one);
    for (const std::string& of_rank : ranks.gather_text(one, "damage")) BOOST_TEST(of_rank == one);
  }
  change(file, "/model/short", 0, 1u);
  change(file, "/optimizer/m/up", 0, 1u << 31);
  for (const Cut cut : kCuts) {
    const std::string all = damage(file, cut);
    for (const std::string name : {"/model/up", "/model/short", "/optimizer/m/up"})
      BOOST_TEST(all.find("\n  " + name + " has a wrong checksum\n") != std::string::npos, all);
  }
}

BOOST_FIXTURE_TEST_CASE(tensors_that_the_file_does_not_have_are_all_listed, Folder) {
  const std::string file = save(Cut::columns, 1);
  Tiles tiles(ranks, Cut::rows);
  // The last rank alone wants these.
  float memory[8] = {};
  const auto add = [&](const char* name, Shape shape) {
    if (ranks.rank() == ranks.size() - 1)
      tiles.tiles.push_back({"optimizer/v", tensor::whole(name, shape), tensor::View(memory, shape)});
  };
  add("first", {2, 4});
  add("second", {8});
  std::string message;
  try {
    read(file, Cut::rows, tiles);
  } catch (const checkpoint::DamagedError& error) {
    message = error.what();
  }
  for (const char* name : {"first", "second"})
    BOOST_TEST(message.find(std::string("\n  /optimizer/v/") + name + " is missing\n") != std::string::npos, message);
  BOOST_TEST(message.find("checksum") == std::string::npos, message);  // of those that are there nothing is said

  Tiles other(ranks, Cut::first_rank);
  for (TensorTile& tensor : other.tiles)
    if (tensor.group == "optimizer/m") {
      tensor.tile = tensor::whole("up", {10, 6});
      tensor.data = tensor.data.reshaped({10, 6});
    }
  BOOST_CHECK_EXCEPTION(
      read(file, Cut::first_rank, other), checkpoint::DamagedError, [](const checkpoint::DamagedError& error) {
        return std::string(error.what()).find("/optimizer/m/up has shape [6, 10], this model needs [10, 6]") !=
               std::string::npos;
      });
}

BOOST_FIXTURE_TEST_CASE(tiles_that_do_not_add_up_are_an_error_of_the_program, Folder) {
  Tiles tiles(ranks, Cut::copies);
  tiles.fill();
  if (ranks.rank() == 0) tiles.tiles[1].counted = false;
  const auto names_it = [](const std::logic_error& error) {
    return std::string(error.what()) == "the counted tiles of /model/up hold 0 elements, the tensor 60";
  };
  BOOST_CHECK_EXCEPTION(save(Cut::copies, 1, tiles), std::logic_error, names_it);
  BOOST_TEST(!fs::exists(path));
  const std::string file = save(Cut::rows, 1);
  BOOST_CHECK_EXCEPTION(read(file, Cut::copies, tiles), std::logic_error, names_it);
}

BOOST_FIXTURE_TEST_CASE(a_file_that_one_rank_cannot_open_throws_on_all, Folder) {
  const std::string file = save(Cut::rows, 1);
  for (const int unlucky : {0, ranks.size() - 1}) {
    Tiles tiles(ranks, Cut::columns);
    const std::string mine = ranks.rank() == unlucky ? path + "/absent.h5" : file;
    BOOST_CHECK_THROW(read(mine, Cut::columns, tiles), base::SharedError);
  }
}

}  // namespace
}  // namespace tessera::testing
