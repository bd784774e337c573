// SPDX-License-Identifier: Apache-2.0
#include "data/paths.hpp"

#include <algorithm>
#include <filesystem>

#include "base/error.hpp"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

/// Files below a folder, sorted by path.
void expand_folder(const std::string& folder, InputFiles& files) {
  std::vector<std::string> found;
  for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::recursive_directory_iterator(); ++entry) {
    if (entry->path().filename().string().starts_with('.')) {
      if (entry->is_directory()) entry.disable_recursion_pending();
      continue;
    }
    if (!entry->exists())
      base::fail_usage("'{}' is a link to nothing: remove it, or bring back what it names", entry->path().string());
    if (!entry->is_regular_file()) continue;
    if (entry->file_size() > 0)
      found.push_back(entry->path().string());
    else
      ++files.num_empty;
  }
  if (found.empty()) base::fail_usage("input '{}' is a folder without text files", folder);
  std::sort(found.begin(), found.end());
  files.paths.insert(files.paths.end(), found.begin(), found.end());
}

/// A path without links, `.` and `..`, as far as it exists.
fs::path resolved(const std::string& path) {
  std::error_code error;
  const fs::path result = fs::weakly_canonical(fs::absolute(path), error);
  return error ? fs::absolute(path) : result;
}

}  // namespace

InputFiles expand_inputs(const std::vector<std::string>& inputs) {
  InputFiles files;
  for (const std::string& input : inputs) {
    if (input == "-") {
      if (inputs.size() > 1) base::fail_usage("'-' (standard input) must be the only input");
      files.paths = {input};
      return files;
    }
    try {
      if (fs::is_directory(input))
        expand_folder(input, files);
      else if (fs::exists(input))
        files.paths.push_back(input);
      else
        base::fail_usage("input '{}' does not exist: check the path", input);
    } catch (const fs::filesystem_error& error) {
      base::fail_usage("input '{}' cannot be listed ({}): check the permissions", input, error.what());
    }
  }
  return files;
}

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  if (fs::equivalent(a, b, error) && !error) return true;
  return resolved(a) == resolved(b);
}

void check_output(const std::string& flag, const std::string& output, const std::vector<std::string>& inputs,
                  const InputFiles& files) {
  std::error_code error;
  const fs::file_status status = fs::status(output, error);
  if (fs::exists(status) && !fs::is_regular_file(status))
    base::fail_usage("{} '{}' exists and is no regular file: name another one", flag, output);
  for (const std::string& file : files.paths)
    if (is_same_file(file, output) || is_same_file(file, output + ".tmp"))
      base::fail_usage("{} '{}' would write over the input '{}': name another file", flag, output, file);
  const fs::path folder = resolved(output).parent_path();
  for (const std::string& input : inputs) {
    if (!fs::is_directory(input, error)) continue;
    const fs::path root = resolved(input);
    if (std::mismatch(root.begin(), root.end(), folder.begin(), folder.end()).first == root.end())
      base::fail_usage(
          "{} '{}' lies in the input folder '{}', where it would be read as text the next time: name "
          "another folder",
          flag, output, input);
  }
}

}  // namespace tessera::data
