// SPDX-License-Identifier: Apache-2.0
#include "data/token_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "data/token_file.hpp"
#include "hdf5/hdf5.hpp"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kChunk = std::int64_t{1} << 20;

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

[[noreturn]] void fail_to_write(const std::string& path, const std::string& reason) {
  base::fail_usage("output '{}' cannot be written: {}. Check the folder, its permissions and free space", path, reason);
}

/// Bytes of text of each id. Looking them up is many times faster than decoding a corpus.
std::vector<std::uint32_t> bytes_of_ids(const text::Tokenizer& tokenizer) {
  std::vector<std::uint32_t> bytes;
  for (text::TokenId id = 0; id < tokenizer.vocab_size(); ++id)
    bytes.push_back(static_cast<std::uint32_t>(tokenizer.decode(&id, 1).size()));
  return bytes;
}

/// Copies ids to the place HDF5 gave them and returns the bytes of text they decode to.
template <class Element>
std::uint64_t fill_tokens(base::PosixFile& file, TokenSpool& spool, std::int64_t first, std::int64_t last, bool add_end,
                          const text::Tokenizer& tokenizer, std::uint64_t offset) {
  const std::vector<std::uint32_t> bytes_of_id = bytes_of_ids(tokenizer);
  std::uint64_t text_bytes = 0;
  std::vector<text::TokenId> ids;
  std::vector<Element> elements;
  for (std::int64_t at = first; at < last; at += kChunk) {
    spool.read(at, std::min(kChunk, last - at), ids);
    for (const text::TokenId id : ids) text_bytes += bytes_of_id[static_cast<std::size_t>(id)];
    if (add_end && at + kChunk >= last) ids.push_back(tokenizer.end_token());
    elements.assign(ids.begin(), ids.end());
    file.write_at(offset, elements.data(), elements.size() * sizeof(Element));
    offset += elements.size() * sizeof(Element);
  }
  return text_bytes;
}

}  // namespace

TokenSpool::TokenSpool(const std::string& output) : output_(output) {
  const int fd = ::open(folder_of(output).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) file_.reset(::fdopen(fd, "w+b"));
  if (file_) return;
  // File systems without nameless files: a name that is gone at once.
  std::string name = output + ".XXXXXX";
  const int named = ::mkstemp(name.data());
  if (named < 0) fail_to_write(output, std::strerror(errno));
  ::unlink(name.c_str());
  file_.reset(::fdopen(named, "w+b"));
  if (!file_) fail_to_write(output, std::strerror(errno));
}

void TokenSpool::append(const std::vector<text::TokenId>& ids) {
  if (std::fwrite(ids.data(), sizeof(text::TokenId), ids.size(), file_.get()) != ids.size())
    fail_to_write(output_, std::strerror(errno));
  size_ += static_cast<std::int64_t>(ids.size());
}

void TokenSpool::read(std::int64_t first, std::int64_t count, std::vector<text::TokenId>& ids) {
  ids.resize(static_cast<std::size_t>(count));
  if (std::fflush(file_.get()) != 0 ||
      ::fseeko(file_.get(), static_cast<off_t>(first * static_cast<std::int64_t>(sizeof(text::TokenId))), SEEK_SET) !=
          0 ||
      std::fread(ids.data(), sizeof(text::TokenId), ids.size(), file_.get()) != ids.size())
    fail_to_write(output_, std::strerror(errno));
}

void write_token_file(const std::string& path, TokenSpool& spool, std::int64_t first, std::int64_t last,
                      const std::vector<std::uint64_t>& documents, const text::Tokenizer& tokenizer) {
  std::vector<text::TokenId> final_id;
  spool.read(last - 1, 1, final_id);
  const bool add_end = final_id.front() != tokenizer.end_token();
  const std::int64_t size = last - first + (add_end ? 1 : 0);
  std::vector<std::uint64_t> starts{0};  // a part may begin inside a document
  for (const std::uint64_t start : documents)
    if (static_cast<std::int64_t>(start) > first && static_cast<std::int64_t>(start) < last)
      starts.push_back(start - static_cast<std::uint64_t>(first));

  const std::string temporary = path + ".tmp";
  std::error_code ignored;
  fs::remove(temporary, ignored);  // of a run that was killed
  const bool narrow = tokenizer.vocab_size() <= 65536;
  try {
    hdf5::File file = hdf5::File::create(temporary);
    const hdf5::DatasetInfo tokens =
        file.create_dataset("/tokens", narrow ? hdf5::Type::u16 : hdf5::Type::u32, {static_cast<std::uint64_t>(size)});
    file.create_dataset("/documents", hdf5::Type::u64, {starts.size()});
    file.write("/documents", starts.data(), starts.size() * sizeof(std::uint64_t));
    file.write_text("/tokenizer", tokenizer.serialize());
    file.set_attribute("/", "format", token_file_format);
    file.set_attribute("/", "version", token_file_version);
    file.set_attribute("/", "fingerprint", tokenizer.fingerprint());
    file.set_attribute("/", "vocab", tokenizer.vocab_size());
    file.flush();
    base::PosixFile raw = base::PosixFile::open_write(temporary);
    const std::uint64_t text_bytes =
        narrow ? fill_tokens<std::uint16_t>(raw, spool, first, last, add_end, tokenizer, tokens.file_offset)
               : fill_tokens<std::uint32_t>(raw, spool, first, last, add_end, tokenizer, tokens.file_offset);
    file.set_attribute("/", "text_bytes", static_cast<std::int64_t>(text_bytes));
    file.close();
    base::publish_file(temporary, path);
  } catch (const base::Error& error) {
    fs::remove(temporary, ignored);
    if (error.code() == base::ExitCode::usage) throw;
    fail_to_write(path, error.what());
  } catch (...) {
    fs::remove(temporary, ignored);
    throw;
  }
}

}  // namespace tessera::data
