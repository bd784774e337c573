// SPDX-License-Identifier: Apache-2.0
// tessera data: outputs that would destroy something, lines that cannot be converted.
#include <filesystem>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

struct TextFolder {
  TestFolder folder;
  std::string text = folder / "texts/text.txt";

  TextFolder() {
    fs::create_directory(folder / "texts");
    write_file(text, sample_text(3000));
  }

  ProcessResult data(const std::string& action, const std::string& options) const {
    return run_shell("cd " + shell_quoted(folder.path()) + " && " + tessera() + " data " + action + " " + options);
  }
  ProcessResult prepare(const std::string& options) const { return data("prepare", "--tokenizer bytes " + options); }
  ProcessResult convert(const std::string& action, const std::string& lines) const {
    write_file(folder / "lines", lines);
    return data(action, "--tokenizer bytes < lines");
  }
};

BOOST_FIXTURE_TEST_CASE(an_output_that_is_an_input_is_refused, TextFolder) {
  const std::string before = read_file(text);
  fs::create_hard_link(text, folder / "link.txt");
  fs::create_symlink("texts", folder / "other");
  fs::copy(text, folder / "out.h5.tmp");  // the name that the output has while it is written
  for (const std::string options :
       {"--input texts/text.txt --output texts/text.txt", "--input texts/text.txt --output link.txt",
        "--input texts/text.txt --output other/../texts/text.txt", "--input out.h5.tmp --output out.h5",
        "--input texts/text.txt --output a.h5 --valid-fraction 0.1 --valid-output link.txt"}) {
    expect_error(prepare(options), 2, "would write over the input");
    BOOST_TEST(!fs::exists(folder / "a.h5"));
  }
  expect_error(data("train-tokenizer", "--vocab 300 --input texts/text.txt --output link.txt"), 2, "write over");
  expect_error(prepare("--input texts --output texts/a.h5"), 2, "lies in the input folder");
  expect_error(prepare("--input other --output texts/a.h5"), 2, "lies in the input folder");
  BOOST_TEST(read_file(text) == before);
  BOOST_TEST(prepare("--input texts --output a.h5").exit_code == 0);
  expect_error(data("prepare", "--input texts --tokenizer a.h5 --output a.h5"), 2, "write over the tokenizer");
}

BOOST_FIXTURE_TEST_CASE(outputs_that_are_one_file_or_none_are_refused, TextFolder) {
  BOOST_REQUIRE(prepare("--input texts --output a.h5").exit_code == 0);
  fs::create_hard_link(folder / "a.h5", folder / "b.h5");
  expect_error(prepare("--input texts --valid-fraction 0.1 --output a.h5 --valid-output b.h5"), 2, "same file");
  expect_error(prepare("--input texts --valid-fraction 0.1 --output c.h5 --valid-output ./c.h5"), 2, "same file");
  fs::create_directory(folder / "folder.h5");
  expect_error(prepare("--input texts --output folder.h5"), 2, "no regular file");
  BOOST_REQUIRE(run_shell("mkfifo " + shell_quoted(folder / "pipe")).exit_code == 0);
  expect_error(prepare("--input texts --output pipe"), 2, "no regular file");
}

BOOST_FIXTURE_TEST_CASE(empty_files_are_counted_and_links_to_nothing_refused, TextFolder) {
  write_file(folder / "texts/empty.txt", "");
  const ProcessResult result = prepare("--input texts --output a.h5");
  BOOST_TEST(result.output.find("1 empty file(s) left out") != std::string::npos, result.output << result.errors);
  fs::create_symlink("absent", folder / "texts/dangling");
  expect_error(prepare("--input texts --output a.h5"), 2, "texts/dangling' is a link to nothing");
}

BOOST_FIXTURE_TEST_CASE(lines_that_cannot_be_converted_are_named, TextFolder) {
  for (const std::string id : {"257", "-1", "3000000000", "99999999999999999999", "1.5", "\"a\""})
    expect_error(convert("decode", "[1]\n[" + id + "]\n"), 2, "line 2");
  expect_error(convert("decode", "[1, 2\n"), 2, "line 1");
  expect_error(convert("decode", "3\n"), 2, "line 1");
  expect_error(convert("decode --jsonl", "[97]\n[195]\n"), 2, "line 2: the tokens mean bytes that are not UTF-8");
  expect_error(convert("encode --jsonl", "\"a\"\nword\n"), 2, "line 2");
  expect_error(convert("encode --jsonl", "\"a\"\n3\n"), 2, "line 2");
}

}  // namespace
}  // namespace tessera::testing
