// SPDX-License-Identifier: Apache-2.0
// Tokenizers as files: our own format, and which of the known foreign ones a path holds.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/posix_file.hpp"
#include "text/bpe.hpp"
#include "text/tokenizer_parts.hpp"

namespace tessera::text {

namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "tessera-tokenizer";
constexpr std::int64_t kVersion = 1;

/// A vocabulary file and its merges file, under OpenAI's names and under those of Hugging Face.
struct FilePair {
  const char* vocabulary;
  const char* merges;
};
constexpr FilePair kFilePairs[] = {{"encoder.json", "vocab.bpe"}, {"vocab.json", "merges.txt"}};

std::unique_ptr<Tokenizer> from_json(const json::Json& file, std::string_view source) {
  if (file.at("format").dump() != json::Json(kFormat).dump()) {
    base::fail_usage("{}: \"format\" is {}; expected \"{}\"", source, file.at("format").dump(), kFormat);
  }
  if (const std::int64_t version = file.at("version").as_int(); version != kVersion) {
    base::fail_usage("{}: tokenizer format version {}; this program reads version {}", source, version, kVersion);
  }
  const std::string& kind = file.at("kind").as_string();
  if (kind == "bytes") return bytes_tokenizer();
  if (kind == "characters") return characters_from_json(file, source);
  if (kind == "bpe") return bpe_from_json(file, source);
  base::fail_usage("{}: unknown tokenizer kind \"{}\"; known are bytes, characters and bpe", source, kind);
}

/// A file with wrong content is the user's: exit code 2, and the message names the file.
template <class Build>
std::unique_ptr<Tokenizer> as_usage(std::string_view source, Build build) {
  try {
    return build();
  } catch (const base::UsageError&) {
    throw;
  } catch (const base::Error& error) {
    const std::string_view what = error.what();
    base::fail_usage("{}: not a usable tokenizer file: {}", source,
                     what.starts_with(source) ? what.substr(std::min(what.size(), source.size() + 2)) : what);
  }
}

std::unique_ptr<Tokenizer> load_file(const std::string& path) {
  return as_usage(path, [&]() -> std::unique_ptr<Tokenizer> {
    const fs::path file(path);
    for (const FilePair& pair : kFilePairs) {
      if (file.filename() != pair.vocabulary && file.filename() != pair.merges) continue;
      const fs::path vocabulary = file.parent_path() / pair.vocabulary, merges = file.parent_path() / pair.merges;
      for (const fs::path& needed : {vocabulary, merges}) {
        if (!fs::exists(needed)) {
          base::fail_usage("{}: needs {} beside it, which does not exist", path, needed.filename().string());
        }
      }
      return bpe_from_gpt2_files(vocabulary.string(), merges.string());
    }
    const std::string content = read_file(path);
    if (content.starts_with("\x89HDF")) {
      base::fail_usage(
          "{}: this is an HDF5 file, not a tokenizer; a token file is given to the commands that read data", path);
    }
    const json::Json parsed = json::parse(content, path);
    if (parsed.is_object() && parsed.find("format") != nullptr) return from_json(parsed, path);
    if (parsed.is_object() && parsed.find("model") != nullptr) return bpe_from_hugging_face(parsed, path);
    base::fail_usage(
        "{}: JSON, but neither a tessera tokenizer nor a Hugging Face tokenizer.json (no member \"format\" "
        "or \"model\"); a bare vocabulary must be named encoder.json or vocab.json, its merges vocab.bpe or "
        "merges.txt",
        path);
  });
}

}  // namespace

json::Json tokenizer_header(const char* kind) {
  json::Json header;
  header.set("format", kFormat).set("version", kVersion).set("kind", kind);
  return header;
}

std::string read_file(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string content;
  if (in && !fs::is_directory(path)) content.assign(std::istreambuf_iterator<char>(in), {});
  if (!in || fs::is_directory(path)) {
    base::fail_usage("{}: cannot read: {}", path, fs::is_directory(path) ? "it is a folder" : std::strerror(errno));
  }
  return content;
}

std::unique_ptr<Tokenizer> deserialize_tokenizer(std::string_view serialized, std::string_view source) {
  return as_usage(source, [&] { return from_json(json::parse(serialized, source), source); });
}

std::string find_tokenizer(const std::string& folder) {
  for (const char* name : {"tokenizer.json", own_file_name, kFilePairs[0].merges, kFilePairs[1].merges}) {
    if (const fs::path file = fs::path(folder) / name; fs::exists(file)) return file.string();
  }
  return "";
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path) {
  if (!fs::is_directory(path)) return load_file(path);
  if (const std::string file = find_tokenizer(path); !file.empty()) return load_file(file);
  base::fail_usage(
      "{}: the folder holds no tokenizer: neither tokenizer.json, nor {}, nor vocab.bpe with encoder.json, nor "
      "merges.txt with vocab.json; give the file itself if it has another name",
      path, own_file_name);
}

void save_tokenizer(const Tokenizer& tokenizer, const std::string& path) {
  try {
    base::replace_file(path, tokenizer.serialize() + "\n");
  } catch (const base::Error& error) {
    base::fail_usage("{}: cannot write the tokenizer: {}; is the folder there, writable, and not full?", path,
                     error.what());
  }
}

}  // namespace tessera::text
