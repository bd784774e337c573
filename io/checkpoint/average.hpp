// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "checkpoint/file_reader.hpp"

namespace tessera::checkpoint {

/// What tells `other` from a file of the same model as `first`, a line each: weights that it lacks, has beside, or has
/// in another shape, and another tokenizer.
std::vector<std::string> model_differences(const FileReader& first, const FileReader& other);

/// Writes a file of weights only: each is the mean of those of `files`, which count by `shares`, all above 0. In f64,
/// in the order of the files; memory does not depend on their sizes. The files must not differ (model_differences).
/// Throws DamagedError naming file and dataset if what was read has not its checksum; `path` is as before then. Throws
/// as FileWriter does.
void write_average(const std::string& path, const RunState& state, const std::vector<FileReader>& files,
                   const std::vector<double>& shares);

}  // namespace tessera::checkpoint
