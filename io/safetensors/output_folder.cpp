// SPDX-License-Identifier: Apache-2.0
#include "safetensors/output_folder.hpp"

#include <filesystem>

#include "base/error.hpp"

namespace tessera::safetensors {

namespace fs = std::filesystem;

OutputFolder::OutputFolder(const std::string& path) : path_(path) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(path, error))) {
    if (!fs::is_directory(path, error)) base::fail_usage("'{}' exists and is no folder: name another one", path);
    const bool empty = fs::is_empty(path, error);
    if (error) base::fail_usage("folder '{}' cannot be listed: {}", path, error.message());
    if (!empty) base::fail_usage("folder '{}' is not empty: name a new one, or empty it", path);
    return;
  }
  made_ = fs::create_directories(path, error);
  if (error) base::fail_usage("folder '{}' cannot be made: {}", path, error.message());
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  for (std::size_t i = num_published_; i < names_.size(); ++i) fs::remove(temporary(names_[i]), ignored);
  if (made_) fs::remove(path_, ignored);  // not if it holds anything
}

base::PosixFile OutputFolder::create(const std::string& name) {
  names_.push_back(name);
  return base::PosixFile::create(temporary(name));
}

std::vector<std::string> OutputFolder::publish() {
  for (; num_published_ < names_.size(); ++num_published_)
    base::publish_file(temporary(names_[num_published_]), path_of(names_[num_published_]));
  return names_;
}

}  // namespace tessera::safetensors
