// SPDX-License-Identifier: Apache-2.0
// A damaged checkpoint is named and set aside, never used, deleted or written over.
#include <cstring>
#include <filesystem>
#include <fstream>

#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

void flip_bit(const std::string& path, std::size_t offset) {
  std::string bytes = read_file(path);
  BOOST_REQUIRE(offset < bytes.size());
  bytes[offset] = static_cast<char>(bytes[offset] ^ 0x10);
  write_file(path, bytes);
}

/// Bytes in front of HDF5's part of a checkpoint, word 4 of the first block.
std::size_t first_block_bytes(const std::string& path) {
  std::uint64_t size = 0;
  std::memcpy(&size, read_file(path).data() + 32, sizeof size);
  return size;
}

struct SavedRun : RunFixture {
  std::string folder_of_checkpoints = run + "/checkpoints/";
  std::string older = folder_of_checkpoints + "step-00000004.h5", newest = folder_of_checkpoints + "step-00000008.h5";

  SavedRun() { BOOST_REQUIRE(train("").exit_code == 0); }

  /// The newest file is damaged: training names it with `word`, sets it aside and ends with the same file again.
  void expect_older_taken(const std::string& word, int ranks = 1) {
    const std::string damaged = read_file(newest);
    const ProcessResult result = train("", ranks);
    expect_error(result, 0, word);
    BOOST_TEST(result.errors.find("step-00000008.h5.damaged") != std::string::npos, result.errors);
    BOOST_TEST(result.output.find("resumed from '" + older + "'") != std::string::npos, result.output);
    BOOST_TEST((read_file(newest + ".damaged") == damaged));
    BOOST_TEST(fs::exists(newest));
  }
};

BOOST_FIXTURE_TEST_CASE(a_file_cut_short, SavedRun) {
  fs::resize_file(newest, fs::file_size(newest) - 100);
  expect_older_taken("cut short");
}

BOOST_FIXTURE_TEST_CASE(a_bit_of_a_weight, SavedRun) {
  const ProcessResult dump = run_shell("h5dump -p -H -d /model/blocks.1.mlp.up.weight " + shell_quoted(newest));
  const std::size_t at = dump.output.find("OFFSET ");
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, dump.output << dump.errors);
  // h5dump counts from behind the first block.
  flip_bit(newest, first_block_bytes(newest) + std::stoul(dump.output.substr(at + 7)) + 1000);
  const ProcessResult generated = run_shell(tessera() + " generate --tokens 3 --checkpoint " + shell_quoted(newest));
  expect_error(generated, 2, "/model/blocks.1.mlp.up.weight has a wrong checksum");
  expect_error(run_shell(tessera() + " generate --tokens 3 --checkpoint " + shell_quoted(run)), 0, "wrong checksum");
  expect_older_taken("/model/blocks.1.mlp.up.weight has a wrong checksum", 2);
}

BOOST_FIXTURE_TEST_CASE(a_bit_of_the_configuration, SavedRun) {
  flip_bit(newest, read_file(newest).find("log_interval = 1"));
  expect_older_taken("texts of /run: all but the tensors) has a wrong checksum");
}

BOOST_FIXTURE_TEST_CASE(bytes_of_hdf5_itself, SavedRun) {
  std::string bytes = read_file(newest);
  bytes.replace(first_block_bytes(newest), 64, 64, '\x55');  // HDF5's own first block
  write_file(newest, bytes);
  expect_older_taken("damaged");
}

BOOST_FIXTURE_TEST_CASE(a_file_of_another_step, SavedRun) {
  fs::copy(newest, folder_of_checkpoints + "step-00000099.h5");
  const ProcessResult result = train("");
  expect_error(result, 0, "step-00000099.h5' is of step 8");
  BOOST_TEST(fs::exists(folder_of_checkpoints + "step-00000099.h5.damaged"));
  BOOST_TEST(result.output.find("resumed from '" + newest + "'") != std::string::npos, result.output);
}

BOOST_FIXTURE_TEST_CASE(without_a_sound_file_nothing_is_trained, SavedRun) {
  fs::remove(older);
  fs::resize_file(newest, fs::file_size(newest) - 100);
  const std::string damaged = read_file(newest), metrics = read_file(run + "/metrics.jsonl");
  for (const int ranks : {1, 2}) expect_error(train("", ranks), 2, "none that is sound");
  BOOST_TEST((read_file(newest) == damaged));
  BOOST_TEST((read_file(run + "/metrics.jsonl") == metrics));
}

/// As when the file system that holds them is not mounted.
BOOST_FIXTURE_TEST_CASE(links_that_lead_nowhere_are_no_reason_to_begin_anew, SavedRun) {
  for (const std::string& file : {newest, older}) {
    fs::remove(file);
    fs::create_symlink("/nowhere/" + fs::path(file).filename().string(), file);
    expect_error(train(""), 2, "'" + newest + "' does not exist: it is a link that leads nowhere");
  }
  BOOST_TEST(fs::is_symlink(newest));
  BOOST_TEST(fs::is_symlink(older));
}

BOOST_FIXTURE_TEST_CASE(names_of_damaged_files_are_never_taken_twice, SavedRun) {
  for (int time = 0; time < 2; ++time) {
    fs::resize_file(newest, fs::file_size(newest) - 100);
    BOOST_TEST(train("").exit_code == 0);
  }
  BOOST_TEST(fs::exists(newest + ".damaged"));
  BOOST_TEST(fs::exists(newest + ".damaged.2"));
}

BOOST_FIXTURE_TEST_CASE(pruning_leaves_what_is_no_older_checkpoint, RunFixture) {
  BOOST_REQUIRE(train("--run.stop_after 4 --checkpoint.keep 1").exit_code == 0);
  const std::string folder_of_checkpoints = run + "/checkpoints/";
  write_file(folder_of_checkpoints + "step-00000002.h5", "no checkpoint");
  fs::create_directory(folder_of_checkpoints + "step-00000003.h5");
  write_file(folder_of_checkpoints + "step-1.h5", "no name of ours");
  BOOST_TEST(train("--checkpoint.keep 1").exit_code == 0);
  for (const std::string kept : {"step-00000002.h5", "step-00000003.h5", "step-1.h5", "step-00000008.h5"})
    BOOST_TEST(fs::exists(folder_of_checkpoints + kept), kept);
  BOOST_TEST(!fs::exists(folder_of_checkpoints + "step-00000004.h5"));
}

BOOST_FIXTURE_TEST_CASE(a_damaged_newer_file_does_not_displace_the_checkpoint_just_written, RunFixture) {
  BOOST_REQUIRE(train("--run.stop_after 4 --checkpoint.keep 1").exit_code == 0);
  write_file(run + "/checkpoints/step-00000099.h5", "no checkpoint");
  BOOST_TEST(train("--checkpoint.keep 1").exit_code == 0);
  BOOST_TEST(fs::exists(run + "/checkpoints/step-00000008.h5"));
  BOOST_TEST(!fs::exists(run + "/checkpoints/step-00000004.h5"));
}

}  // namespace
}  // namespace tessera::testing
