// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace tessera::config {

/// One of the files that data.train or data.valid names.
struct DataFile {
  std::string path;
  double weight = 1.0;  ///< in any unit; 0: none was given
};

/// The files of a value. A value without a comma is the path of one file as it stands, colons and all. Commas separate
/// several, "books.h5:0.7, web.h5:0.3": the weight stands behind the last colon, and all have one or none has. So a
/// path with a comma cannot be given. Throws base::UsageError naming `key` if the value is none of these, a file stands
/// there twice, or a weight is not above 0 or less than a billionth of their sum.
std::vector<DataFile> parse_data_files(const std::string& key, const std::string& value);

}  // namespace tessera::config
