// SPDX-License-Identifier: Apache-2.0
#include "metrics/metrics_file.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.hpp"

namespace tessera::metrics {

namespace fs = std::filesystem;

namespace {

struct Kind {
  std::int64_t step = -1;  // -1: the line is not one of ours
  bool evaluation = false, complete = false;
};

/// A held-out part of several has a line of its own; the line of all of them comes last.
Kind kind_of(const std::string& line, const std::string& path) {
  try {
    const json::Json object = json::parse(line, path);
    const bool whole = object.find("valid_loss") != nullptr;
    return {object.at("step").as_int(), whole || object.find("valid_file") != nullptr, whole};
  } catch (const base::Error&) {
    return {};
  }
}

}  // namespace

void MetricsFile::resume_at(std::int64_t step) {
  std::string kept, parts;  // lines of the step's evaluation wait for the one that completes it
  bool changed = false;
  std::ifstream old(path_);
  for (std::string line; std::getline(old, line);) {
    const Kind kind = kind_of(line, path_);
    if (kind.step < 0 || kind.step > step)
      changed = true;
    else
      (kind.evaluation && kind.step == step ? parts : kept) += line + "\n";
    has_evaluation_ = has_evaluation_ || (kind.complete && kind.step == step);
    changed = changed || old.eof();  // without a line break at its end the next record would join this one
  }
  old.close();
  if (has_evaluation_)
    kept += parts;
  else
    changed = changed || !parts.empty();
  if (changed) {
    const std::string temporary = path_ + ".tmp";
    std::ofstream file(temporary, std::ios::binary);
    file << kept;
    file.close();
    std::error_code error;
    if (file) fs::rename(temporary, path_, error);
    if (!file || error)
      base::fail_usage("'{}' cannot be written: {}. Check free space and permissions of the run folder", path_,
                       error ? error.message() : std::strerror(errno));
  }
  open();
  if (!file_)
    base::fail_usage("'{}' cannot be written: {}. Check the permissions of the run folder", path_,
                     std::strerror(errno));
}

void MetricsFile::open() {
  std::error_code absent;
  whole_bytes_ = fs::file_size(path_, absent);
  if (absent) whole_bytes_ = 0;
  file_.open(path_, std::ios::binary | std::ios::app);
}

void MetricsFile::append(const json::Json& line) {
  const std::string text = line.dump() + "\n";
  file_ << text << std::flush;
  if (file_) {
    whole_bytes_ += text.size();
    return;
  }
  const int cause = errno;
  file_ = {};
  std::error_code ignored;
  fs::resize_file(path_, whole_bytes_, ignored);
  open();
  base::fail("cannot write to '{}': {}. Check free space", path_, std::strerror(cause));
}

}  // namespace tessera::metrics
