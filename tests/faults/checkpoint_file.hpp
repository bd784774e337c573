// SPDX-License-Identifier: Apache-2.0
// What the harness asks of checkpoints, through the room that reads them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tessera::faults {

/// Values of every tensor, by path: weights and moments.
using Tensors = std::map<std::string, std::vector<float>>;

/// Where a tensor lies in the file.
struct Stretch {
  std::string path;  ///< "/model/<parameter>"
  std::uint64_t offset = 0, size_bytes = 0;
};

/// Reads a file whole and verifies all its sums. Throws base::Error saying what is wrong.
Tensors read_tensors(const std::string& path);

/// Why a file is no sound checkpoint; "" if it is one: it opens and all its sums are right.
std::string problem_of(const std::string& path);

/// By offset.
std::vector<Stretch> stretches(const std::string& path);

struct Found {
  std::int64_t newest = 0;  ///< step of the newest sound file; 0: there is none
  int num_sound = 0;
  std::vector<std::string> unsound;  ///< what is wrong with each other file that is named like a checkpoint
};

/// What checkpoints lie in a folder, which may be absent.
Found look_into(const std::string& folder);

}  // namespace tessera::faults
