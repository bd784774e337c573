// SPDX-License-Identifier: Apache-2.0
// Which fault comes in which round. Pure functions of the seed.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "faults/points.hpp"

namespace tessera::faults {

using Random = std::mt19937_64;

/// A number from 0 to `count` - 1; the same for a seed on every system, which distributions of the library are not.
/// Throws std::runtime_error if `count` is 0.
std::uint64_t draw(Random& random, std::uint64_t count);

enum class Fault : std::uint8_t {
  kill_at_point,  ///< SIGKILL at a named point of a save, of one rank or of all
  kill_one,       ///< SIGKILL of one rank at a random instant
  kill_all,       ///< of all ranks at one
  kill_at_file,   ///< of one rank or of all, at any operation on any file of the run
  flip_bits,      ///< one to three bits of the newest file
  truncate,       ///< the newest file, cut anywhere
  disk_full,
  read_only,
  sync_error,  ///< EIO from a flush
  delay,       ///< one rank writes slowly
};

inline constexpr std::array<const char*, 10> fault_names = {
    "kill at a point", "kill of one rank", "kill of all ranks", "kill at an operation", "flipped bits",
    "truncated file",  "disk full",        "read-only folder",  "failing flush",        "delayed rank"};

/// A number of ranks and how they share the work.
struct Layout {
  int ranks;
  const char* name;
  const char* options;  ///< of tessera train
};

/// Layouts in which several ranks write tiles, and one in which a single one does.
const std::vector<Layout>& layouts();

struct Round {
  int number = 0;
  Fault fault = Fault::delay;
  Point point = Point::created;  ///< of kill_at_point
  int time = 0;                  ///< how often the fault came before: what can be done in several ways takes turns
  const Layout* layout = nullptr;
  bool async = false;      ///< saves
  std::uint64_t seed = 0;  ///< of all else that is drawn
};

/// How many rounds have every fault and every point once.
inline constexpr int rounds_of_a_deck = 30;

/// `num_rounds` rounds, in decks that hold each fault and each point, shuffled. `ranks`: only layouts of that many; 0:
/// all. Throws std::invalid_argument if there is none.
std::vector<Round> deal(int num_rounds, std::uint64_t seed, int ranks);

}  // namespace tessera::faults
