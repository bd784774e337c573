// SPDX-License-Identifier: Apache-2.0
// tessera checkpoint prune and average, and what becomes of files of weights only.
#include "cli/checkpoints.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

BOOST_FIXTURE_TEST_CASE(prune_removes_what_need_not_stay, CheckpointFixture) {
  const ProcessResult dry = checkpoint("prune --keep 1 --dry-run " + shell_quoted(run));
  BOOST_TEST(dry.output.find("would remove '" + file(2) + "'\nwould remove '" + file(6) + "'\n") == 0U, dry.output);
  BOOST_TEST((has(2) && has(4) && has(6) && has(8)));
  const json::Json object = json_of("prune --keep 1 " + shell_quoted(run));  // the run keeps multiples of 4 for good
  BOOST_TEST(object.at("removed").as_array().size() == 2U);
  BOOST_TEST(object.at("left").as_int() == 2);
  BOOST_TEST(object.at("newest").as_string() == file(8));
  BOOST_TEST((!has(2) && has(4) && !has(6) && has(8)));
  BOOST_TEST(!fs::exists(run + "/lock"));
  const ProcessResult all = checkpoint("prune --keep 1 --keep-every 0 " + shell_quoted(dir));
  BOOST_TEST(all.output.find("removed '" + file(4) + "'\n1 file(s)") == 0U, all.output);
  BOOST_TEST((!has(4) && has(8)));
  BOOST_TEST(checkpoint("prune --keep 1 " + shell_quoted(run)).output.find("0 file(s)") == 0U);
}

BOOST_FIXTURE_TEST_CASE(prune_counts_sound_files_only, CheckpointFixture) {
  damage_tensor(file(8), "/model/final_norm.bias");
  fs::resize_file(file(4), 900);
  expect_error(checkpoint("prune --keep 1 --keep-every 0 " + shell_quoted(run)), 0,
               "/model/final_norm.bias has a wrong checksum");
  BOOST_TEST((!has(2) && has(4) && has(6) && has(8)));  // 6 is the newest sound one
  damage_tensor(file(6), "/model/final_norm.bias");
  expect_error(checkpoint("prune --keep 1 " + shell_quoted(run)), 2,
               "holds no sound checkpoint, so nothing is removed");
  BOOST_TEST((has(4) && has(6) && has(8)));
}

BOOST_FIXTURE_TEST_CASE(prune_leaves_a_run_alone_that_trains, CheckpointFixture) {
  const std::string lock =
      "{\"host\":\"elsewhere\",\"pid\":1,\"start_ticks\":5,\"job\":\"\",\"restart\":\"\",\"since\":\"today\"}\n";
  write_file(run + "/lock", lock);
  for (const std::string& path : {run, dir, dir + "/"})
    expect_error(checkpoint("prune --keep 1 " + shell_quoted(path)), 2, "is in use by process 1 on elsewhere");
  BOOST_TEST(read_file(run + "/lock") == lock);
  BOOST_TEST((has(2) && has(4) && has(6) && has(8)));
  BOOST_TEST(checkpoint("prune --keep 1 --dry-run " + shell_quoted(run)).exit_code == 0);
}

BOOST_FIXTURE_TEST_CASE(prune_refuses_numbers_that_leave_nothing, CheckpointFixture) {
  expect_error(checkpoint("prune --keep 0 " + shell_quoted(run)), 2, "--keep = 0");
  expect_error(checkpoint("prune " + shell_quoted(run)), 2, "needs --keep");
  expect_error(checkpoint("prune --keep 1 --keep-every some " + shell_quoted(run)), 2, "--keep-every = 'some'");
  expect_error(checkpoint("prune --keep 1 " + shell_quoted(file(8))), 2, "is a file");
  BOOST_TEST((has(2) && has(4) && has(6) && has(8)));
}

/// An average of steps 6 and 8.
struct AveragedFixture : CheckpointFixture {
  std::string both = shell_quoted(file(6)) + " " + shell_quoted(file(8)), output = folder / "average.h5";

  AveragedFixture() {
    const json::Json object = json_of("average " + both + " --output " + shell_quoted(output));
    BOOST_TEST(object.at("step").as_int() == 8);
    BOOST_TEST(object.at("digest").as_string() == checkpoint::FileReader(output).digest());
  }
};

std::vector<float> values(const std::string& path) {
  const checkpoint::FileReader file(path);
  const checkpoint::FileReader::Tensor* tensor = file.find("/model/token_embedding");
  BOOST_REQUIRE(tensor);
  std::vector<float> all(static_cast<std::size_t>(tensor->num_elements()));
  file.read(*tensor, 0, all);
  return all;
}

BOOST_FIXTURE_TEST_CASE(an_average_is_a_model, AveragedFixture) {
  const ProcessResult shares =
      checkpoint("average " + both + " --weights 1,3 --output " + shell_quoted(folder / "shares.h5"));
  BOOST_TEST(shares.exit_code == 0, shares.errors);
  const std::vector<float> a = values(file(6)), b = values(file(8)), mean = values(output),
                           shared = values(folder / "shares.h5");
  for (std::size_t i = 0; i < a.size(); ++i) {
    BOOST_TEST_REQUIRE(mean[i] == static_cast<float>((double{a[i]} + double{b[i]}) / 2));
    BOOST_TEST_REQUIRE(shared[i] == static_cast<float>((double{a[i]} + 3 * double{b[i]}) / 4));
  }
  const std::string average = shell_quoted(output);
  BOOST_TEST(checkpoint("verify " + average).exit_code == 0);
  BOOST_TEST(run_shell(tessera() + " generate --tokens 3 --prompt The --checkpoint " + average).exit_code == 0);
  BOOST_TEST(run_shell(tessera() + " evaluate --checkpoint " + average).exit_code == 0);
  const ProcessResult begun =
      train("--run.init_from " + average + " --run.stop_after 1 --run.dir " + shell_quoted(folder / "next"));
  BOOST_TEST(begun.exit_code == 0, begun.errors);
  BOOST_TEST(begun.output.find("weights from '" + output + "'") != std::string::npos, begun.output);
}

BOOST_FIXTURE_TEST_CASE(no_training_goes_on_from_weights_alone, AveragedFixture) {
  fs::remove(file(8));
  fs::copy(output, file(8));
  BOOST_TEST(checkpoint("list " + shell_quoted(run)).output.find("weights only") != std::string::npos);
  for (const int ranks : {1, 2}) {
    const ProcessResult resumed = train("--run.steps 9", ranks);
    expect_error(resumed, 2, "'" + file(8) + "' holds weights only");
    expect_error(resumed, 2, "set run.init_from = " + file(8));
    BOOST_TEST((has(8) && has(6)));  // it is not damaged
  }
}

BOOST_FIXTURE_TEST_CASE(average_lists_every_difference, AveragedFixture) {
  const std::string other = folder / "other";
  BOOST_REQUIRE(train("--run.stop_after 1 --model.hidden 16 --model.activation relu --run.dir " + shell_quoted(other))
                    .exit_code == 0);
  const ProcessResult result =
      checkpoint("average " + both + " " + shell_quoted(other + "/checkpoints/step-00000001.h5") + " --output " +
                 shell_quoted(folder / "mixed.h5"));
  expect_error(result, 2, "not checkpoints of one model");
  for (const std::string part :
       {"/model/token_embedding has shape [257, 16], not [257, 32]", "model.hidden = 16, not 32",
        "/model/blocks.1.mlp.up.bias has shape [64], not [128]", "model.activation = relu, not"})
    expect_error(result, 2, part);
  BOOST_TEST(!fs::exists(folder / "mixed.h5"));
}

BOOST_FIXTURE_TEST_CASE(average_refuses_what_it_cannot_do, AveragedFixture) {
  const auto refused = [&](const std::string& words, const std::string& text) {
    expect_error(checkpoint("average " + words), 2, text);
  };
  const std::string to = " --output " + shell_quoted(folder / "new.h5");
  refused(both + " --output " + shell_quoted(output), "exists: name another file");
  refused(both + " --output " + shell_quoted(file(8)), "exists: name another file");
  refused(both + " --output " + shell_quoted(folder / "step-00000003.h5"), "has the name of step 3");
  refused(both, "needs --output");
  refused(to, "needs checkpoint files");
  refused(both + " --weights 1" + to, "has 1 number(s) for 2 file(s)");
  for (const std::string bad : {"1,x", "1,", "1,0", "1,-1", "1,inf"})
    refused(both + " --weights " + bad + to, "is not a number from 1e-09 to 1000000000");
  refused(shell_quoted(run) + to, "is a folder: name the files");
  refused(shell_quoted(folder / "absent.h5") + to, "does not exist");
  damage_tensor(file(6), "/model/final_norm.bias");
  refused(both + to, "/model/final_norm.bias has a wrong checksum");
  BOOST_TEST(!fs::exists(folder / "new.h5"));
}

BOOST_FIXTURE_TEST_CASE(a_resume_lists_every_key_of_another_model, CheckpointFixture) {
  const ProcessResult result = train("--model.layers 3 --model.hidden 64 --model.heads 4 --run.steps 9");
  for (const std::string part :
       {"is of another model", "model.layers: 2 in the checkpoint, 3 now", "model.hidden: 32 in the checkpoint, 64 now",
        "model.heads: 2 in the checkpoint, 4 now"})
    expect_error(result, 2, part);
  BOOST_TEST(has(8));
}

}  // namespace
}  // namespace tessera::testing
