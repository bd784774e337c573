// SPDX-License-Identifier: Apache-2.0
#include "tools/temporary_folder.hpp"

#include <cstdlib>
#include <filesystem>

#include "base/error.hpp"

namespace tessera::tools {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "tessera-XXXXXX").string();
  if (!mkdtemp(pattern.data()))
    base::fail("cannot make a temporary folder in '{}': set TMPDIR to a folder you may write to",
               fs::temp_directory_path().string());
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // a leftover in the temporary folder harms nobody
  fs::remove_all(path_, ignored);
}

}  // namespace tessera::tools
