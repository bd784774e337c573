// SPDX-License-Identifier: Apache-2.0
// Is every byte of a checkpoint what was written? For files of strangers, of which HDF5 may make anything, in a child
// process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/child.hpp"
#include "checkpoint/file_reader.hpp"

namespace tessera::checkpoint {

enum class Condition : std::uint8_t {
  sound,
  damaged,     ///< or foreign, or hostile
  unreadable,  ///< of another format, or the system refused it: the file may be sound
};
/// "sound", "damaged", "unreadable"
const char* name_of(Condition condition);

/// One thing that is wrong with a file.
struct Problem {
  std::string dataset;  ///< "/model/<parameter>"; "" if it is not of one dataset
  std::string text;     ///< "has a wrong checksum"; without a dataset a whole sentence
};

struct Verdict {
  Condition condition = Condition::sound;
  std::vector<Problem> problems;  ///< none if sound
  std::int64_t step = 0, num_tensors = 0;
  std::uint64_t file_bytes = 0;
};

/// What else to look at in a file whose checksums are right. Returns what is wrong there.
using Inspection = std::function<std::vector<Problem>(const FileReader& file)>;

enum class Depth : bool { metadata, all };

/// Reads all of a file: first block, metadata, what HDF5 makes of it, digest, and the checksum of every tensor, each of
/// which is named; then calls `inspect`, if there is one. Depth::metadata leaves the tensors out. Throws
/// std::bad_alloc, and nothing else because of the file.
Verdict verify(const std::string& path, const Inspection& inspect = {}, Depth depth = Depth::all);

/// Enough for a sound file of that size on a disk that reads 4 MiB a second.
Limits limits_for(std::uint64_t file_bytes);

/// The same in a child process (see child.hpp for what the caller may not have started): if that dies or meets a limit,
/// the file is damaged or hostile. Throws base::SystemError if there can be no child.
Verdict verify_guarded(const std::string& path, const Inspection& inspect, const Limits& limits);

}  // namespace tessera::checkpoint
