// SPDX-License-Identifier: Apache-2.0
#include "jobs/mpirun.hpp"

#include <sstream>

namespace tessera::jobs {

std::vector<std::string> mpirun_words(int ranks) {
  std::vector<std::string> words;
  std::istringstream launcher(TESSERA_LOCAL_LAUNCHER);
  for (std::string word; launcher >> word;) words.push_back(word);
  words.insert(words.end(), {"-n", std::to_string(ranks)});
  return words;
}

}  // namespace tessera::jobs
