// SPDX-License-Identifier: Apache-2.0
// Commands that need no training run: check, data, version, help.
#include <filesystem>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

BOOST_AUTO_TEST_CASE(a_mistake_that_one_rank_cannot_make_is_refused) {
  expect_error(run_shell(tessera() + " selftest --break tied-embedding"), 2, "--ranks 4");
}

BOOST_AUTO_TEST_CASE(every_model_of_the_table_passes_check) {
  std::size_t models = 0;
  for (const auto& entry : fs::directory_iterator(TESSERA_SOURCE_DIR "/configs/models")) {
    const ProcessResult result = run_shell(tessera() + " check --json --config " + shell_quoted(entry.path().string()));
    BOOST_TEST(result.exit_code == 0, entry.path().string() << ": " << result.errors);
    if (entry.path().filename() == "gpt3_175b.cfg")
      BOOST_TEST(result.output.find("\"parameters\":174604259328") != std::string::npos, result.output);
    if (entry.path().filename() == "gpt_1024.cfg")  // as Hugging Face counts GPT-2 small
      BOOST_TEST(result.output.find("\"parameters\":124439808") != std::string::npos, result.output);
    ++models;
  }
  BOOST_TEST(models == 11U);
}

BOOST_AUTO_TEST_CASE(check_for_another_number_of_ranks) {
  const std::string config = " --config " + shell_quoted(TESSERA_SOURCE_DIR "/configs/models/gpt3_125m.cfg");
  BOOST_TEST(run_shell(tessera() + " check --ranks 64" + config + " --parallel.data=64").exit_code == 0);
  expect_error(run_shell(tessera() + " check --ranks 7" + config), 2, "optim.batch = 256");
  for (const std::string bad : {"0", "4294967297", "two"}) {
    expect_error(run_shell(tessera() + " check --ranks " + bad + config), 2, "--ranks = '" + bad + "'");
    expect_error(run_shell(tessera() + " selftest --ranks " + bad), 2, "--ranks = '" + bad + "'");
    for (const std::string axis : {"--tensor", "--pipeline"})
      expect_error(run_shell(tessera() + " generate " + axis + " " + bad), 2, axis + " = '" + bad + "'");
  }
}

BOOST_AUTO_TEST_CASE(check_answers_at_once_for_enormous_models) {
  const std::string check = "timeout 10 " + shell_quoted(TESSERA_BINARY) + " check --model.vocab 100M ";
  const ProcessResult largest =
      run_shell(check + "--model.layers 60 --model.hidden 1M --model.heads 1k --optim.batch 1B --json");
  BOOST_TEST(largest.exit_code == 0, largest.errors);
  BOOST_TEST(largest.output.find("\"parameters\":82") != std::string::npos, largest.output);  // 8.2e14
  BOOST_TEST(largest.output.find('-') == std::string::npos, largest.output);
  for (const std::string model : {"--model.layers 9e18", "--model.layers 100k --model.hidden 1M", "--model.hidden 1B",
                                  "--optim.batch 1000B", "--optim.micro_batch 1B"})
    BOOST_TEST(run_shell(check + model).exit_code == 2, model);
  const TestFolder folder;
  write_file(folder / "file", "in the way");
  expect_error(run_shell(check + "--run.dir=" + shell_quoted(folder / "file")), 2, "is a file");
}

BOOST_AUTO_TEST_CASE(encode_and_decode_are_inverse_line_by_line) {
  const TestFolder folder;
  write_file(folder / "text.txt", sample_text(5000));
  write_file(folder / "lines.jsonl", "\"The king \\u00e9\\n\"\n\"\"\n\"<|endoftext|> \\ud83d\\ude00\"\n");
  const std::string tokenizer = shell_quoted(folder / "tokenizer.json");
  const ProcessResult trained = run_shell(tessera() + " data train-tokenizer --input " +
                                          shell_quoted(folder / "text.txt") + " --vocab 300 --output " + tokenizer);
  BOOST_REQUIRE_MESSAGE(trained.exit_code == 0, trained.errors);
  const ProcessResult ids = run_shell(tessera() + " data encode --jsonl --tokenizer " + tokenizer + " < " +
                                      shell_quoted(folder / "lines.jsonl"));
  BOOST_REQUIRE_MESSAGE(ids.exit_code == 0, ids.errors);
  write_file(folder / "ids.jsonl", ids.output);
  const ProcessResult back = run_shell(tessera() + " data decode --jsonl --tokenizer " + tokenizer + " < " +
                                       shell_quoted(folder / "ids.jsonl"));
  BOOST_TEST(back.exit_code == 0, back.errors);
  BOOST_TEST(back.output == "\"The king \u00e9\\n\"\n\"\"\n\"<|endoftext|> \U0001F600\"\n");
}

BOOST_AUTO_TEST_CASE(standard_input_is_prepared_as_one_document) {
  const TestFolder folder;
  write_file(folder / "text.txt", sample_text(3000));
  const ProcessResult result =
      run_shell(tessera() + " data prepare --json --input - --tokenizer characters --output " +
                shell_quoted(folder / "tokens.h5") + " < " + shell_quoted(folder / "text.txt"));
  BOOST_TEST(result.exit_code == 0, result.errors);
  BOOST_TEST(result.output.find("\"documents\":1") != std::string::npos, result.output);
}

BOOST_AUTO_TEST_CASE(data_commands_say_how_fast_they_were_whatever_their_threads) {
  const TestFolder folder;
  write_file(folder / "text.txt", sample_text(3000));
  const std::string text = shell_quoted(folder / "text.txt"), tokenizer = shell_quoted(folder / "tokenizer.json");
  std::vector<std::string> tokenizers;
  for (const std::string threads : {"1", "3"}) {
    const ProcessResult trained = run_shell(tessera() + " data train-tokenizer --json --threads " + threads +
                                            " --vocab 300 --input " + text + " --output " + tokenizer);
    BOOST_REQUIRE_MESSAGE(trained.exit_code == 0, trained.errors);
    tokenizers.push_back(read_file(folder / "tokenizer.json"));
    const ProcessResult prepared =
        run_shell(tessera() + " data prepare --json --threads " + threads + " --input " + text + " --tokenizer " +
                  tokenizer + " --output " + shell_quoted(folder / "tokens.h5"));
    BOOST_REQUIRE_MESSAGE(prepared.exit_code == 0, prepared.errors);
    for (const std::string& output : {trained.output, prepared.output})
      for (const std::string& part :
           {"\"threads\":" + threads, std::string("\"seconds\":"), std::string("\"megabytes_per_second\":")})
        BOOST_TEST(output.find(part) != std::string::npos, output);
  }
  BOOST_TEST(tokenizers[0] == tokenizers[1]);
  const ProcessResult plain = run_shell(tessera() + " data prepare --input " + text + " --tokenizer " + tokenizer +
                                        " --output " + shell_quoted(folder / "tokens.h5"));
  BOOST_TEST(plain.output.find(" MB/s") != std::string::npos, plain.output);
}

BOOST_AUTO_TEST_CASE(equal_texts_make_equal_token_files_also_by_relative_names) {
  const TestFolder folder;
  write_file(folder / "text.txt", sample_text(3000));
  const std::string prepare =
      "cd " + shell_quoted(folder / "") + " && " + tessera() + " data prepare --input text.txt ";
  for (const std::string name : {"one", "other"}) {
    const ProcessResult result = run_shell(prepare + "--tokenizer bytes --output " + name + ".h5");
    BOOST_TEST(result.exit_code == 0, result.errors);
    run_shell("sleep 1.1");  // HDF5 could record the second
  }
  BOOST_TEST(run_shell("cmp " + shell_quoted(folder / "one.h5") + " " + shell_quoted(folder / "other.h5")).exit_code ==
             0);
  expect_error(run_shell("cd " + shell_quoted(folder / "") + " && " + tessera() +
                         " check --data.train=one.h5:0.7 --optim.batch=1 --config " +
                         shell_quoted(TESSERA_SOURCE_DIR "/configs/models/gpt_1024.cfg")),
               2, "one file alone takes no weight");
}

BOOST_AUTO_TEST_CASE(unknown_commands_and_options_name_the_nearest) {
  expect_error(run_shell(tessera() + " trian"), 2, "'train'");
  expect_error(run_shell(tessera() + " generate --promt x"), 2, "prompt");
  expect_error(run_shell(tessera() + " data prepaer"), 2, "prepare");
  BOOST_TEST(run_shell(tessera()).exit_code == 2);
  BOOST_TEST(run_shell(tessera() + " --help").exit_code == 0);
  BOOST_TEST(run_shell(tessera() + " version --json").exit_code == 0);
  for (const std::string command : {"train", "generate", "evaluate", "score", "check", "bench", "selftest", "data",
                                    "checkpoint", "checkpoint export", "checkpoint import"})
    BOOST_TEST(run_shell(tessera() + " " + command + " --help").exit_code == 0, command);
}

BOOST_AUTO_TEST_CASE(output_that_does_not_arrive_is_a_failure) {
  for (const std::string command : {"version", "help", "train --help", "data --help"})
    for (const std::string where : {">/dev/full", ">&-"})
      expect_error(run_shell(tessera() + " " + command + " " + where), 1, "standard output could not be written");
}

BOOST_AUTO_TEST_CASE(what_is_given_too_often_or_has_no_use_is_refused) {
  for (const std::string command :
       {"generate", "evaluate", "score a", "version", "selftest", "bench", "check", "data inspect a", "data encode",
        "data decode", "checkpoint export a", "checkpoint import a"})
    expect_error(run_shell(tessera() + " " + command + " surplus"), 2, "'surplus'");
  expect_error(run_shell(tessera() + " generate --seed 1 --seed 2"), 2, "--seed is given more than once");
  expect_error(run_shell(tessera() + " version --json --json"), 2, "--json is given more than once");
  for (const std::string flag : {"tokens", "top-k", "seed"})
    expect_error(run_shell(tessera() + " generate --" + flag + " -5"), 2, "--" + flag + " = '-5'");
}

BOOST_AUTO_TEST_CASE(a_folder_is_no_text) {
  const TestFolder folder;
  expect_error(run_shell(tessera() + " data train-tokenizer --vocab 300 --output " + shell_quoted(folder / "t") +
                         " --input " + shell_quoted(folder.path())),
               2, "folder");
}

}  // namespace
}  // namespace tessera::testing
