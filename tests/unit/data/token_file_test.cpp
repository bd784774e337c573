// SPDX-License-Identifier: Apache-2.0
#include "data/text_pieces.hpp"
#include "hdf5/hdf5.hpp"
#include "text/cuts.hpp"
#include "unit/data/fixture.hpp"

namespace tessera::testing {
namespace {

using data::TokenFile;

BOOST_AUTO_TEST_CASE(documents_come_back_in_order) {
  const DataFolder folder;
  folder.write("texts/b.txt", "second");
  folder.write("texts/a.txt", "first\n");
  folder.write("texts/deep/c.txt", "third");
  folder.write("texts/.hidden", "not this");
  folder.write("texts/empty.txt", "");
  const std::string alone = folder.write("alone.txt", std::string("z\0\xff", 3));
  const TokenFile file = TokenFile::open(folder.prepare({folder / "texts", alone}, "bytes"));
  const std::vector<std::int32_t> ids = all_tokens(file);
  const auto tokenizer = file.tokenizer();
  std::vector<std::string> documents;
  for (std::size_t i = 0; i < file.documents().size(); ++i) {
    const std::uint64_t end = i + 1 < file.documents().size() ? file.documents()[i + 1] : ids.size();
    BOOST_TEST(ids[end - 1] == tokenizer->end_token());
    documents.push_back(tokenizer->decode(ids.data() + file.documents()[i], end - file.documents()[i]));
  }
  BOOST_TEST((documents == std::vector<std::string>{"first\n", "second", "third", std::string("z\0\xff", 3)}));
  BOOST_TEST(file.text_bytes() == 20U);
  BOOST_TEST(file.vocab_size() == 257);
  BOOST_TEST(!fs::exists(folder / "tokens.h5.tmp"));
}

BOOST_AUTO_TEST_CASE(characters_take_their_vocabulary_from_all_inputs) {
  const DataFolder folder;
  const std::string one = folder.write("1.txt", "abba"), two = folder.write("2.txt", "caf\u00e9");
  const TokenFile file = TokenFile::open(folder.prepare({one, two}, "characters"));
  BOOST_TEST(file.vocab_size() == 6);  // a b c e-acute f, and the end token
  BOOST_TEST(file.tokenizer()->decode(all_tokens(file)) == "abbacaf\u00e9");
}

BOOST_AUTO_TEST_CASE(the_held_out_part_is_the_end_of_the_tokens) {
  const DataFolder folder;
  data::PrepareOptions options;
  options.inputs = {folder.write("t.txt", std::string(899, 'a') + std::string(100, 'b'))};
  options.tokenizer = "bytes";
  options.output = folder / "train.h5";
  options.valid_output = folder / "valid.h5";
  options.valid_fraction = 0.1;
  const data::PrepareReport report = data::prepare(options);
  BOOST_TEST(report.tokens == 1000);
  const TokenFile train = TokenFile::open(options.output), valid = TokenFile::open(options.valid_output);
  BOOST_TEST(train.num_tokens() == 901);  // 900 and an end token
  BOOST_TEST(valid.num_tokens() == 100);
  BOOST_TEST(valid.tokenizer()->decode(all_tokens(valid)) == std::string(99, 'b'));
  BOOST_TEST(valid.fingerprint() == train.fingerprint());
  options.valid_output = options.output;
  expect_words(message_of([&] { data::prepare(options); }), {"same file"});
  options.valid_output = "";
  expect_words(message_of([&] { data::prepare(options); }), {"--valid-output"});
}

BOOST_AUTO_TEST_CASE(any_number_of_threads_writes_the_same_tokens) {
  const DataFolder folder;
  std::string text;
  for (int i = 0; i < 100'000; ++i)
    text += "word" + std::to_string(i * 31 % 7919) + (i % 9 == 0 ? "\r\n" : " caf\u00e9 ");
  const std::string one = folder.write("1.txt", text), two = folder.write("2.txt", "short");
  data::PrepareOptions options;
  options.inputs = {one, two, one};
  options.output = folder / "tokens.h5";
  text::save_tokenizer(*text::train_bpe({text.substr(0, 50'000)}, 500), folder / "bpe.json");
  for (const std::string& tokenizer : {folder / "bpe.json", std::string("characters")}) {
    options.tokenizer = tokenizer;
    std::vector<std::int32_t> expected;
    for (const int threads : {1, 2, 3, 7}) {
      options.threads = threads;
      data::prepare(options);
      const TokenFile file = TokenFile::open(options.output);
      if (threads == 1) expected = all_tokens(file);
      BOOST_TEST((all_tokens(file) == expected));
      BOOST_TEST(file.text_bytes() == 2 * text.size() + 5);
      BOOST_TEST(file.tokenizer()->decode(all_tokens(file)).size() == file.text_bytes());
    }
  }
}

BOOST_AUTO_TEST_CASE(bad_inputs_are_named) {
  const DataFolder folder;
  const std::string text = folder.write("t.txt", "text");
  expect_words(message_of([&] { folder.prepare({folder / "absent"}, "bytes"); }), {"absent"});
  expect_words(message_of([&] { folder.prepare({folder.write("empty.txt", "")}, "bytes"); }), {"empty.txt"});
  fs::create_directories(folder.path / "nothing");
  expect_words(message_of([&] { folder.prepare({folder / "nothing"}, "bytes"); }), {"nothing"});
  expect_words(message_of([&] { folder.prepare({folder.write("l.txt", "caf\xe9!")}, "characters"); }),
               {"l.txt", "byte 3", "0xe9", "UTF-8"});
  expect_words(message_of([&] { folder.prepare({text, "-"}, "bytes"); }), {"standard input"});
  expect_words(message_of([&] { folder.prepare({text}, folder / "no.json"); }), {"no.json"});
  data::PrepareOptions options;
  options.inputs = {text};
  options.tokenizer = "bytes";
  options.output = folder / "t.txt/below/a/file.h5";
  expect_words(message_of([&] { data::prepare(options); }), {"file.h5", "cannot be written"});
}

BOOST_AUTO_TEST_CASE(damaged_files_are_errors_and_never_crashes) {
  const DataFolder folder;
  const std::string path = folder.prepare({folder.write("t.txt", std::string(20000, 'x'))}, "bytes");
  const auto size = static_cast<std::size_t>(fs::file_size(path));
  std::string whole(size, '\0');
  std::ifstream(path, std::ios::binary).read(whole.data(), static_cast<std::streamsize>(size));
  for (std::size_t part = 0; part < 60; ++part) {
    const std::string cut = folder.write("cut.h5", whole.substr(0, size * part / 60));
    expect_words(message_of([&] { TokenFile::open(cut); }), {"cut.h5"});
  }
  expect_words(message_of([&] { TokenFile::open(folder / "absent.h5"); }), {"absent.h5", "tessera data prepare"});
  expect_words(message_of([&] { TokenFile::open(folder.write("text.h5", "plain text")); }), {"no HDF5"});
  {
    hdf5::File foreign = hdf5::File::create(folder / "foreign.h5");
    foreign.create_dataset("/x", hdf5::Type::f32, {3});
    foreign.close();
  }
  expect_words(message_of([&] { TokenFile::open(folder / "foreign.h5"); }), {"no token file"});
  BOOST_TEST(!data::is_token_file(folder / "foreign.h5"));
  BOOST_TEST(data::is_token_file(path));
}

void write_by_hand(const std::string& path, hdf5::Type type, std::int64_t version, std::int64_t vocab,
                   const std::vector<std::uint64_t>& documents = {1}) {
  hdf5::File file = hdf5::File::create(path);
  file.create_dataset("/tokens", type, {2});
  const std::uint32_t wide[2] = {1, 70000};
  const std::uint16_t narrow[2] = {1, 300};
  if (type == hdf5::Type::u32) file.write("/tokens", wide, sizeof wide);
  if (type == hdf5::Type::u16) file.write("/tokens", narrow, sizeof narrow);
  file.create_dataset("/documents", hdf5::Type::u64, documents);
  const std::uint64_t start = 0;
  if (documents.size() <= 1) file.write("/documents", &start, sizeof start);
  file.write_text("/tokenizer", text::bytes_tokenizer()->serialize());
  file.set_attribute("/", "format", data::token_file_format);
  file.set_attribute("/", "version", version);
  file.set_attribute("/", "fingerprint", "0");
  file.set_attribute("/", "vocab", vocab);
  file.set_attribute("/", "text_bytes", std::int64_t{2});
  file.close();
}

BOOST_AUTO_TEST_CASE(newer_versions_wide_ids_and_ids_outside_the_vocabulary) {
  const DataFolder folder;
  write_by_hand(folder / "newer.h5", hdf5::Type::u16, 99, 500);
  expect_words(message_of([&] { TokenFile::open(folder / "newer.h5"); }), {"version 99"});
  write_by_hand(folder / "wide.h5", hdf5::Type::u32, 1, 70001);
  BOOST_TEST((all_tokens(TokenFile::open(folder / "wide.h5")) == std::vector<std::int32_t>{1, 70000}));
  write_by_hand(folder / "outside.h5", hdf5::Type::u16, 1, 257);
  const TokenFile outside = TokenFile::open(folder / "outside.h5");
  BOOST_CHECK_EXCEPTION(all_tokens(outside), base::Error, [](const base::Error& error) {
    return std::string(error.what()).find("id 300") != std::string::npos;
  });
  write_by_hand(folder / "floats.h5", hdf5::Type::f32, 1, 257);
  expect_words(message_of([&] { TokenFile::open(folder / "floats.h5"); }), {"u16 or u32"});
  write_by_hand(folder / "scalar.h5", hdf5::Type::u16, 1, 500, {});
  expect_words(message_of([&] { TokenFile::open(folder / "scalar.h5"); }), {"row of u64"});
  write_by_hand(folder / "table.h5", hdf5::Type::u16, 1, 500, {1, 2});
  expect_words(message_of([&] { TokenFile::open(folder / "table.h5"); }), {"row of u64"});
}

/// Lines of words with every kind of break between them.
std::string long_text(std::size_t bytes) {
  static constexpr const char* breaks[] = {" ", "\n", "\n\n", " \n ", "\t", ".\n", "\u00e9\n", "\n\u00e9", "  "};
  std::string text;
  for (std::uint64_t i = 0; text.size() < bytes; ++i)
    text += "word" + std::to_string(i * 2654435761u % 1000) + breaks[i * i % 9];
  return text;
}

BOOST_AUTO_TEST_CASE(pieces_make_the_same_tokens_as_the_whole) {
  const DataFolder folder;
  const std::string text = long_text(std::size_t{40} << 20);
  const auto tokenizer = text::train_bpe({text.substr(0, 20000)}, 400);
  std::string joined;
  std::vector<text::TokenId> ids;
  std::size_t pieces = 0;
  const std::uint64_t bytes =
      data::for_each_piece(folder.write("long.txt", text), [&](std::string_view piece, std::uint64_t offset) {
        BOOST_TEST(offset == joined.size());
        joined += piece;
        tokenizer->encode(piece, ids);
        ++pieces;
      });
  BOOST_TEST(bytes == text.size());
  BOOST_TEST((joined == text));
  BOOST_TEST(pieces >= 3U);
  BOOST_TEST((ids == tokenizer->encode(text)));
}

BOOST_AUTO_TEST_CASE(a_cut_lies_in_front_of_the_last_white_space_before_a_character) {
  const std::vector<std::pair<std::string, std::size_t>> cuts = {
      {"ab\ncd", 2},    {"a\nb\ncd", 3},    {"ab\n\ncd", 3},
      {"ab \ncd", 3},   {"ab\n cd", 3},     {"ab\r\ncd", 3},
      {"a\u00e9 b", 3}, {"a\n\u00e9", 1},   {"\u3002\n\u3000\u6587", 4},
      {"\xff\nb", 1},   {"ab\n\u6587\n", 2}};
  for (const auto& [text, cut] : cuts) {
    BOOST_TEST(text::last_cut(text) == cut, text);
    BOOST_TEST(text::last_cut(text, cut) == cut, text);
    BOOST_TEST(text::last_cut(text, cut + 1) == 0U, text);
  }
  for (const char* none : {"", "\n", "abc", "ab\n", "\nab", "a\n\xff", "a\n\xe6\x96", "a \u3000", "\u6587\u5b57"})
    BOOST_TEST(text::last_cut(none) == 0U, none);
}

BOOST_AUTO_TEST_CASE(a_changed_byte_is_no_trouble_or_one_clear_message) {
  const DataFolder folder;
  std::ifstream file(folder.prepare({folder.write("text.txt", "some words of text\n")}, "bytes"), std::ios::binary);
  const std::string good(std::istreambuf_iterator<char>(file), {});
  std::size_t refused = 0;
  for (std::size_t at = 0; at < good.size(); at += 3) {
    std::string changed = good;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    const std::string path = folder.write("changed.h5", changed);
    try {
      data::TokenFile::open(path);
      data::is_token_file(path);
    } catch (const base::UsageError& error) {
      ++refused;
      BOOST_TEST(std::string(error.what()).find(path) != std::string::npos, error.what());
    }
  }
  BOOST_TEST(refused > 50U);
}

/// `size` parts in a pseudo-random order.
std::string mixed_text(std::uint64_t seed, std::size_t size) {
  static const std::string parts[] = {"a",    "the",  "B",  "7",    "'s",     "'",      ".",      "\u00e9", "\u6587",
                                      " ",    "\n",   "\r", "\r\n", "\t",     "\u3000", "\u00a0", "\xff",   "\xe6",
                                      "\x96", "\x1c", " ",  "\n",   "\u2028", "\u180e", "\ufeff"};
  std::string text;
  for (std::uint64_t i = 0; i < size; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    text += parts[(seed >> 33) % std::size(parts)];
  }
  return text;
}

BOOST_AUTO_TEST_CASE(no_token_reaches_across_a_cut) {
  std::string sample;
  for (std::uint64_t seed = 0; seed < 50; ++seed) sample += mixed_text(seed, 200);
  const auto bpe = text::train_bpe({sample}, 600), bytes = text::bytes_tokenizer();
  std::size_t num_cuts = 0;
  for (std::uint64_t seed = 100; seed < 400; ++seed) {
    const std::string text = mixed_text(seed, 40);
    for (std::size_t read = 1; read <= text.size(); ++read) {  // as much as was read when the cut was chosen
      const std::size_t cut = text::last_cut(text.substr(0, read));
      if (cut == 0) continue;
      ++num_cuts;
      for (const text::Tokenizer* tokenizer : {bpe.get(), bytes.get()}) {
        std::vector<text::TokenId> ids;
        tokenizer->encode(std::string_view(text).substr(0, cut), ids);
        tokenizer->encode(std::string_view(text).substr(cut), ids);
        BOOST_REQUIRE_MESSAGE(ids == tokenizer->encode(text), "cut at " << cut << " of: " << text);
      }
    }
  }
  BOOST_TEST(num_cuts > 1000U);
}

BOOST_AUTO_TEST_CASE(texts_of_every_kind_are_read_in_pieces) {
  const DataFolder folder;
  for (const std::string line :
       {"some words\r\n", "\u6587\u5b57\u3002\n", "\u3000\u3000\u6587\u5b57\u3002\n", "word "}) {
    std::string text, joined;
    while (text.size() < 100'000) text += line;
    std::size_t longest = 0;
    data::for_each_piece(
        folder.write("text.txt", text),
        [&](std::string_view piece, std::uint64_t offset) {
          BOOST_TEST(offset == joined.size());
          joined += piece;
          longest = std::max(longest, piece.size());
        },
        1000);
    BOOST_TEST((joined == text));
    BOOST_TEST(longest < 1100U, line);
  }
}

}  // namespace
}  // namespace tessera::testing
