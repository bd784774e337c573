// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::data {

/// Text files that a command is given.
struct InputFiles {
  std::vector<std::string> paths;
  std::int64_t num_empty = 0;  ///< files of folders that were left out as they hold nothing
};

/// Files as they are; a folder becomes all files below it that are not empty or hidden, sorted by path. Throws
/// base::UsageError for what does not exist or cannot be listed, for links to nothing, and for a folder without such
/// files.
InputFiles expand_inputs(const std::vector<std::string>& inputs);

/// Throws base::UsageError unless `output` may be written, where `flag` is its option: it exists as a regular file or
/// not at all, is none of the input files, the temporary file beside it is none either, and it lies in no input folder,
/// where the next run would read it. `inputs` as given, `files` as expanded.
void check_output(const std::string& flag, const std::string& output, const std::vector<std::string>& inputs,
                  const InputFiles& files);

/// True if two paths mean the same file, by whatever names and links. They need not exist.
bool is_same_file(const std::string& a, const std::string& b);

}  // namespace tessera::data
