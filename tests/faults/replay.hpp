// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "faults/operation.hpp"
#include "faults/test_stand.hpp"

namespace tessera::faults {

/// A flush that the replay does as if the program had forgotten it: that of a rank's tiles, of the whole file, of the
/// folder.
enum class Forgotten : std::uint8_t { nothing, tiles, file, folder };
inline constexpr std::array<const char*, 4> forgotten_names = {"nothing", "tiles", "file", "folder"};

/// The operations without one flush of that kind, of a save in the middle. Throws std::runtime_error if there is none.
std::vector<Operation> forget(std::vector<Operation> operations, Forgotten what);

/// From where on a checkpoint counts as published: its folder was flushed, or the program went on as if it had been, by
/// removing an older one or beginning the next. By order.
struct Published {
  std::uint64_t order = 0;
  std::int64_t step = 0;
};
std::vector<Published> publications(const std::vector<Operation>& operations);

struct ReplayResult {
  std::size_t operations = 0, saves = 0, removed = 0;  ///< files that were renamed and that were removed
  std::size_t instants = 0;                            ///< at each the power was cut, once for each way to survive
  std::size_t verified = 0;                            ///< files with a checkpoint's name that were read whole
  std::size_t starts = 0;                              ///< of the program on what a cut left
  std::size_t lost = 0;                                ///< cuts that left no checkpoint as new as the one published
  std::size_t unsound = 0;                             ///< cuts that left a checkpoint's name on something else
  std::vector<std::string> problems;                   ///< the first of each kind, and all of the starts
  bool good() const { return problems.empty(); }
};

/// Records a run of two ranks and cuts the power at every instant of it.
ReplayResult replay(TestStand& stand, bool async, std::uint64_t seed, Forgotten what);

}  // namespace tessera::faults
