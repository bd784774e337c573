// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <fmt/core.h>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "checkpoint/checkpoint.hpp"

namespace tessera::checkpoint {

/// Step of a file name as file_name() makes it, "step-00001000.h5"; nothing if it is no such name.
std::optional<std::int64_t> step_of(const std::string& name);

/// All that is named like a checkpoint in a folder, by step, whatever it is; empty if the folder does not exist. Throws
/// base::SystemError if it cannot be listed.
std::map<std::int64_t, std::string> list_files(const std::string& dir);

template <class... Args>
[[noreturn]] void fail_damaged(fmt::format_string<Args...> format, Args&&... args) {
  throw DamagedError(fmt::format(format, std::forward<Args>(args)...));
}

[[noreturn]] inline void fail_wrong_checksum(const std::string& path, const std::string& dataset) {
  fail_damaged("checkpoint '{}' is damaged: {} has a wrong checksum; use an older one", path, dataset);
}

/// The group of the weights, and how paths in it begin.
inline constexpr const char* model_group = "/model";
inline constexpr const char* model_prefix = "/model/";

/// Where a file holds a tensor: "/model/<parameter>".
inline std::string dataset_path(const TensorTile& tensor) {
  return "/" + tensor.group + "/" + tensor.tile.name;
}

inline std::string temporary_name(const std::string& path) {
  return path + ".tmp";
}

}  // namespace tessera::checkpoint
