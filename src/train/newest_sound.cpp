// SPDX-License-Identifier: Apache-2.0
#include "train/newest_sound.hpp"

#include <filesystem>
#include <sstream>

#include "checkpoint/checkpoint.hpp"
#include "comm/together.hpp"

namespace tessera::train {
namespace {

constexpr int kMostListings = 10;

/// As rank 0 finds them.
std::vector<std::string> list(const comm::Communicator& ranks, const std::string& path) {
  std::string lines;
  comm::together(ranks, "search for checkpoints", [&] {
    if (ranks.rank() != 0) return;
    for (const std::string& file : checkpoint::candidates(path)) lines += file + '\0';
  });
  std::istringstream text(ranks.broadcast_text(lines, 0, "names of checkpoints"));
  std::vector<std::string> files;
  for (std::string file; std::getline(text, file, '\0');) files.push_back(file);
  return files;
}

/// True if a file that was listed is not there any more.
bool is_gone(const comm::Communicator& ranks, const std::string& path, const std::string& file) {
  std::error_code ignored;
  const bool gone =
      ranks.rank() == 0 && file != path && !std::filesystem::exists(std::filesystem::symlink_status(file, ignored));
  return ranks.sum(gone ? 1.0 : 0.0, "checkpoint looked for") > 0;
}

}  // namespace

NewestSound read_newest_sound(const comm::Communicator& ranks, const std::string& path,
                              const std::function<void(const std::string& file)>& read) {
  NewestSound found;
  std::vector<std::string> files = list(ranks, path);
  int listings = 1;
  for (std::size_t i = 0; i < files.size();) {
    try {
      read(files[i]);
      found.file = files[i];
      return found;
    } catch (const checkpoint::DamagedError& error) {
      found.damage.emplace_back(error.what());
      ++i;
    } catch (const base::SharedError&) {
      if (listings++ == kMostListings || !is_gone(ranks, path, files[i])) throw;
      files = list(ranks, path);
      found.damage.clear();
      i = 0;
    }
  }
  std::string all;
  for (const std::string& text : found.damage) all += (all.empty() ? "" : "\n") + text;
  throw base::SharedError(all, base::ExitCode::usage);
}

}  // namespace tessera::train
