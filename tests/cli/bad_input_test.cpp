// SPDX-License-Identifier: Apache-2.0
// Bad input gets one clear message with key, value, rule and remedy, and a non-zero exit on all ranks.
#include <chrono>
#include <filesystem>
#include <iostream>
#include <signal.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

ProcessResult prepare(const TestFolder& folder, const std::string& input, const std::string& tokenizer) {
  return run_shell(tessera() + " data prepare --input " + shell_quoted(input) + " --tokenizer " +
                   shell_quoted(tokenizer) + " --output " + shell_quoted(folder / "out.h5"));
}

BOOST_AUTO_TEST_CASE(missing_text) {
  const TestFolder folder;
  expect_error(prepare(folder, folder / "absent.txt", "bytes"), 2, "absent.txt");
  BOOST_TEST(!fs::exists(folder / "out.h5"));
}

BOOST_AUTO_TEST_CASE(empty_text) {
  const TestFolder folder;
  write_file(folder / "empty.txt", "");
  expect_error(prepare(folder, folder / "empty.txt", "bytes"), 2, "empty.txt");
}

BOOST_AUTO_TEST_CASE(text_that_is_not_utf8) {
  const TestFolder folder;
  write_file(folder / "latin1.txt", "caf\xE9 au lait");
  expect_error(prepare(folder, folder / "latin1.txt", "characters"), 2, "byte 3");
  BOOST_TEST(prepare(folder, folder / "latin1.txt", "bytes").exit_code == 0);
}

BOOST_FIXTURE_TEST_CASE(token_file_cut_short, RunFixture) {
  fs::resize_file(tokens, fs::file_size(tokens) / 2);
  expect_error(train(""), 2, "tokens.h5");
  expect_error(train("", 2), 2, "tokens.h5");
}

/// A text whose characters tokenizer has the vocabulary size of the bytes tokenizer, but other meanings.
std::string text_of_256_characters() {
  std::string text;
  for (int c = 0; c < 256; ++c) {
    const int code = 0x100 + c;
    text += {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
  }
  return text + text;
}

BOOST_FIXTURE_TEST_CASE(wrong_tokenizer_for_a_checkpoint, RunFixture) {
  BOOST_REQUIRE(train("--run.stop_after 1").exit_code == 0);
  write_file(folder / "other.txt", text_of_256_characters());
  BOOST_REQUIRE(prepare(folder, folder / "other.txt", "characters").exit_code == 0);
  expect_error(train("--data.train " + shell_quoted(folder / "out.h5") + " --data.valid_fraction 0"), 2, "tokenizer");
}

BOOST_FIXTURE_TEST_CASE(held_out_part_made_again_with_another_tokenizer, RunFixture) {
  BOOST_REQUIRE(train("--run.stop_after 1").exit_code == 0);
  write_file(folder / "other.txt", text_of_256_characters());
  BOOST_REQUIRE(prepare(folder, folder / "other.txt", "characters").exit_code == 0);
  fs::rename(folder / "out.h5", tokens);
  expect_error(run_shell(tessera() + " evaluate --checkpoint " + shell_quoted(run)), 2, "another tokenizer");
}

BOOST_FIXTURE_TEST_CASE(unknown_key_names_the_nearest, RunFixture) {
  const ProcessResult result = train("--model.layer 3");
  expect_error(result, 2, "model.layer");
  expect_error(result, 2, "model.layers");
}

BOOST_FIXTURE_TEST_CASE(all_bad_keys_at_once, RunFixture) {
  const ProcessResult result = train("--model.hiden 3 --optim.lr fast --run.steps -4");
  expect_error(result, 2, "model.hiden");
  expect_error(result, 2, "optim.lr");
  expect_error(result, 2, "run.steps");
}

BOOST_FIXTURE_TEST_CASE(hidden_not_divisible_by_heads, RunFixture) {
  const ProcessResult result = train("--model.heads 3");
  expect_error(result, 2, "model.heads");
  expect_error(result, 2, "32");
}

BOOST_FIXTURE_TEST_CASE(context_longer_than_the_data, RunFixture) {
  expect_error(train("--model.context 100000"), 2, "model.context");
}

BOOST_FIXTURE_TEST_CASE(ranks_that_do_not_divide_the_batch, RunFixture) {
  const ProcessResult result = train("--optim.batch 7", 2);
  expect_error(result, 2, "optim.batch");
  BOOST_TEST(result.errors.find("optim.batch") == result.errors.rfind("optim.batch"),
             "the message stands more than once: " << result.errors);
}

BOOST_FIXTURE_TEST_CASE(check_of_a_run_without_a_batch, RunFixture) {
  expect_error(run_shell(tessera() + " check --data.train " + shell_quoted(tokens)), 2, "optim.batch is missing");
}

BOOST_FIXTURE_TEST_CASE(unwritable_run_folder, RunFixture) {
  write_file(folder / "file", "in the way");  // works for root too, who may write anywhere
  expect_error(train("--run.dir " + shell_quoted(folder / "file/run")), 2, "run.dir");
}

BOOST_AUTO_TEST_CASE(every_command_gives_one_message_for_all_ranks) {
  for (const std::string command : {"train", "generate", "evaluate", "score", "data prepare", "checkpoint export",
                                    "checkpoint import", "check", "bench", "selftest", "version", "trian"}) {
    const ProcessResult result = run_shell(tessera_on(2) + " " + command + " --bogus");
    expect_error(result, 2, command == "trian" ? "'train'" : "bogus");
    BOOST_TEST(result.errors.find("error: ") == result.errors.rfind("error: "), command << ": " << result.errors);
    BOOST_TEST(result.errors.find("MPI_ABORT") == std::string::npos, command << ": " << result.errors);
  }
  for (const std::string command : {"generate", "evaluate", "score x"}) {
    const ProcessResult result = run_shell(tessera_on(2) + " " + command + " --checkpoint absent");
    expect_error(result, 2, "absent");
    BOOST_TEST(result.errors.find("error: ") == result.errors.rfind("error: "), command << ": " << result.errors);
  }
}

BOOST_FIXTURE_TEST_CASE(ranks_with_kernels_of_two_instruction_sets, RunFixture) {
  if (run_shell("TESSERA_ISA=v4 " + tessera() + " version").exit_code != 0) {
    std::cout << "SKIPPED: this CPU has one instruction set only\n";
    return;
  }
  const std::string train = shell_quoted(TESSERA_BINARY) + " train --config " + shell_quoted(config);
  const std::string ranks =
      "OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun "
      "--oversubscribe --bind-to none -n 1 env TESSERA_ISA=v3 ";
  const ProcessResult mixed = run_shell(ranks + train + " : -n 1 env TESSERA_ISA=v4 " + train);
  expect_error(mixed, 2, "x86-64-v4 on 1");
  expect_error(mixed, 2, "TESSERA_ISA=v3");
}

BOOST_FIXTURE_TEST_CASE(nan_in_the_loss_stops_all_ranks_before_the_update, RunFixture) {
  // A learning rate that blows the weights up in the first update makes a later loss non-finite.
  const ProcessResult result = train("--optim.lr 1e30 --optim.min_lr 1e30 --optim.warmup 0 --optim.clip_norm 0", 2);
  expect_error(result, 3, "not finite");
  BOOST_TEST(result.errors.find("step ") != std::string::npos, result.errors);
  BOOST_TEST(result.errors.find("rank ") != std::string::npos, result.errors);
  BOOST_TEST(!fs::exists(run + "/checkpoints/step-00000008.h5"));
}

BOOST_FIXTURE_TEST_CASE(nonfinite_steps_are_skipped_up_to_the_limit, RunFixture) {
  const ProcessResult result = train(
      "--optim.lr 1e30 --optim.min_lr 1e30 --optim.warmup 0 --optim.clip_norm 0 --optim.on_nonfinite skip "
      "--optim.max_skips 2");
  expect_error(result, 3, "max_skips");
}

BOOST_FIXTURE_TEST_CASE(a_killed_rank_ends_the_job_within_ten_seconds, RunFixture) {
  const std::string log = folder / "log";
  const ProcessResult started =
      run_shell(tessera_on(2) + " train --config " + shell_quoted(config) +
                " --run.steps 1000000 --checkpoint.interval 0 >" + shell_quoted(log) + " 2>&1 & echo $!");
  const int launcher = std::stoi(started.output);
  const std::string children = "pgrep -P " + std::to_string(launcher);
  std::string ranks;
  for (int attempt = 0; attempt < 200 && read_file(run + "/metrics.jsonl").empty(); ++attempt)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ranks = run_shell(children).output;
  BOOST_REQUIRE_MESSAGE(!ranks.empty(), read_file(log));
  BOOST_REQUIRE(::kill(std::stoi(ranks), SIGKILL) == 0);
  const auto killed = std::chrono::steady_clock::now();
  while (::kill(launcher, 0) == 0 && std::chrono::steady_clock::now() - killed < std::chrono::seconds(20))
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - killed).count();
  BOOST_TEST(seconds < 10.0);
  if (::kill(launcher, 0) == 0) ::kill(launcher, SIGKILL);
}

}  // namespace
}  // namespace tessera::testing
