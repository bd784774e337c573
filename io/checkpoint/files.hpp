// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.hpp"

namespace tessera::checkpoint {

/// Step of a file name "step-00001000.h5"; nothing if it is no such name.
std::optional<std::int64_t> step_of(const std::string& name);

/// All files of a folder that are named like checkpoints, by step; empty if the folder does not exist.
std::map<std::int64_t, std::string> list_files(const std::string& dir);

/// Where a file holds a tensor: "/model/<parameter>".
inline std::string dataset_path(const TensorTile& tensor) {
  return "/" + tensor.group + "/" + tensor.tile.name;
}

}  // namespace tessera::checkpoint
