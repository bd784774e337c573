// SPDX-License-Identifier: Apache-2.0
#include "config/data_files.hpp"

#include <algorithm>
#include <cmath>

#include "config/option_values.hpp"

namespace tessera::config {
namespace {

constexpr double kLeastShare = 1e-9;  // what a mixture can tell from 0

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

/// "path:weight", or a path without a number behind its last colon: weight 0.
DataFile parse_file(const std::string& key, const std::string& value, const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const double weight = colon == std::string::npos ? NAN : parse_double(trimmed(text.substr(colon + 1)));
  DataFile file{trimmed(std::isnan(weight) ? text : text.substr(0, colon)), std::isnan(weight) ? 0.0 : weight};
  if (file.path.empty()) refuse(key, value, "files with a comma between each two; one has no name");
  if (!std::isnan(weight) && !(weight > 0 && std::isfinite(weight)))
    refuse(key, value, fmt::format("files with weights above 0; that of '{}' is {}", file.path, weight));
  return file;
}

void check_files(const std::string& key, const std::string& value, const std::vector<DataFile>& files) {
  double sum = 0;
  for (const DataFile& file : files) sum += file.weight;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (sum > 0 && files[i].weight == 0)
      refuse(key, value,
             fmt::format("path:weight, path:weight, ...; '{}' has no weight (a path with a comma cannot be given: "
                         "rename the file)",
                         files[i].path));
    if (files[i].weight < kLeastShare * sum)
      refuse(key, value,
             fmt::format("files with weights of at least a billionth of their sum; that of '{}' is {}", files[i].path,
                         files[i].weight));
    for (std::size_t other = 0; other < i; ++other)
      if (files[other].path == files[i].path)
        refuse(key, value, fmt::format("different files; '{}' stands there twice: add its weights up", files[i].path));
  }
}

}  // namespace

std::vector<DataFile> parse_data_files(const std::string& key, const std::string& value) {
  if (value.empty()) return {};
  if (value.find(',') == std::string::npos) return {{value}};
  std::vector<DataFile> files;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t comma = std::min(value.find(',', begin), value.size());
    files.push_back(parse_file(key, value, trimmed(value.substr(begin, comma - begin))));
    begin = comma + 1;
  }
  check_files(key, value, files);
  return files;
}

}  // namespace tessera::config
