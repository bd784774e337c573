// SPDX-License-Identifier: Apache-2.0
// A run that begins with the weights of another one: fine-tuning, on any mesh, and models that grow.
#include <algorithm>
#include <filesystem>

#include "checkpoint/file_reader.hpp"
#include "cli/fixture.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

/// A finished run in `run`; others begin with its weights and keep them, as their learning rate is 0.
struct TrainedRun : RunFixture {
  std::string next = folder / "next";

  TrainedRun() { BOOST_REQUIRE(train("").exit_code == 0); }

  ProcessResult begin(const std::string& options, int ranks = 1) const {
    return train("--run.init_from " + shell_quoted(run) + " --run.dir " + shell_quoted(next) +
                     " --run.stop_after 1 --optim.lr 0 --optim.min_lr 0 " + options,
                 ranks);
  }
  checkpoint::FileReader old_file() const { return checkpoint::FileReader(run + "/checkpoints/step-00000008.h5"); }
  checkpoint::FileReader new_file() const { return checkpoint::FileReader(next + "/checkpoints/step-00000001.h5"); }
};

std::vector<float> values(const checkpoint::FileReader& file, const std::string& name) {
  const checkpoint::FileReader::Tensor* tensor = file.find("/model/" + name);
  BOOST_REQUIRE_MESSAGE(tensor != nullptr, name);
  std::vector<float> all(static_cast<std::size_t>(tensor->num_elements()));
  file.read(*tensor, 0, all);
  return all;
}

BOOST_FIXTURE_TEST_CASE(the_weights_are_taken_and_nothing_else, TrainedRun) {
  const ProcessResult result = begin("--optim.lr_schedule linear --data.valid_fraction 0.2");
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  BOOST_TEST(
      result.output.find("weights from '" + run + "/checkpoints/step-00000008.h5' (step 8)") != std::string::npos,
      result.output);
  BOOST_TEST(result.output.find("step 1/8") != std::string::npos, result.output);  // it begins anew
  BOOST_TEST(new_file().digest() == old_file().digest());
  BOOST_TEST(new_file().state().tokens == 8 * 16);
  // Once the run has checkpoints of its own, these count.
  const ProcessResult again = train("--run.init_from /nowhere --run.dir " + shell_quoted(next));
  BOOST_TEST(again.exit_code == 0, again.errors);
  BOOST_TEST(again.output.find("resumed from '" + next) != std::string::npos, again.output);
}

BOOST_FIXTURE_TEST_CASE(any_mesh_and_precision_takes_them, TrainedRun) {
  for (const std::string layout : {"--parallel.tensor 2", "--parallel.pipeline 2", "--parallel.zero 1",
                                   "--parallel.tensor 2 --run.precision bf16"}) {
    fs::remove_all(next);
    const ProcessResult result = begin(layout, 2);
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
    BOOST_TEST(new_file().digest() == old_file().digest(), layout);
  }
}

BOOST_FIXTURE_TEST_CASE(layers_are_repeated_in_their_order, TrainedRun) {
  const std::string deeper = "--model.layers 5 --parallel.pipeline 2";
  const ProcessResult result = begin(deeper, 2);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  BOOST_TEST(result.output.find("layers 2 -> 5: repeated in their order") != std::string::npos, result.output);
  const checkpoint::FileReader before = old_file(), after = new_file();
  for (int layer = 0; layer < 5; ++layer)
    for (const std::string name : {".attention.query.weight", ".mlp.down.bias", ".attention_norm.gain"}) {
      const std::string source = "blocks." + std::to_string(layer % 2) + name;
      BOOST_TEST((values(after, "blocks." + std::to_string(layer) + name) == values(before, source)));
    }
  for (const auto& tensor : before.tensors())
    if (tensor.path.starts_with("/model/") && tensor.path.find("blocks.") == std::string::npos)
      BOOST_TEST(after.find(tensor.path)->sum == tensor.sum, tensor.path);
}

BOOST_FIXTURE_TEST_CASE(new_tokens_and_positions_stay_as_drawn, TrainedRun) {
  for (const int ranks : {1, 2}) {
    fs::remove_all(next);
    const ProcessResult result =
        begin("--model.vocab 300 --model.context 24" + std::string(ranks == 2 ? " --parallel.tensor 2" : ""), ranks);
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
    BOOST_TEST(result.output.find("vocabulary 257 -> 300") != std::string::npos, result.output);
    BOOST_TEST(result.output.find("context 16 -> 24") != std::string::npos, result.output);
    BOOST_REQUIRE(train("--model.vocab 300 --model.context 24 --optim.lr 0 --optim.min_lr 0 --run.stop_after 1 "
                        "--run.dir " +
                        shell_quoted(folder / "drawn"))
                      .exit_code == 0);
    const checkpoint::FileReader drawn(folder / "drawn/checkpoints/step-00000001.h5");
    fs::remove_all(folder / "drawn");
    for (const std::string name : {"token_embedding", "position_embedding"}) {
      const std::vector<float> old = values(old_file(), name), now = values(new_file(), name),
                               fresh = values(drawn, name);
      BOOST_TEST(now.size() > old.size());
      BOOST_TEST(std::equal(old.begin(), old.end(), now.begin()));
      const auto behind = static_cast<std::ptrdiff_t>(old.size());
      BOOST_TEST(std::equal(now.begin() + behind, now.end(), fresh.begin() + behind));
    }
  }
}

BOOST_FIXTURE_TEST_CASE(the_newest_sound_file_is_taken, TrainedRun) {
  const std::string newest = run + "/checkpoints/step-00000008.h5";
  fs::resize_file(newest, fs::file_size(newest) - 100);
  const ProcessResult result = begin("");
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
  BOOST_TEST(result.output.find("cut short") != std::string::npos, result.output);
  BOOST_TEST(result.output.find("(step 4)") != std::string::npos, result.output);
  BOOST_TEST(fs::exists(newest));  // another run's files are left alone
}

BOOST_FIXTURE_TEST_CASE(what_cannot_be_is_refused, TrainedRun) {
  const auto refused = [&](const std::string& options, const std::vector<std::string>& words) {
    const ProcessResult result = begin(options);
    for (const std::string& word : words) expect_error(result, 2, word);
    BOOST_TEST(!fs::exists(next + "/checkpoints/step-00000001.h5"));
  };
  refused("--model.hidden 64 --model.activation relu --model.layers 1",
          {"model.hidden: 32 in the checkpoint, 64 now", "model.activation: gelu_tanh in the checkpoint, relu now",
           "model.layers: 2 in the checkpoint, 1 now, but it can only grow"});
  refused("--run.init_from " + shell_quoted(folder / "absent"), {"does not exist"});
  refused("--run.init_from " + shell_quoted(tokens), {"is not a checkpoint of Tessera"});

  const ProcessResult prepared =
      run_shell(tessera() + " data prepare --tokenizer characters --input " + shell_quoted(folder / "text.txt") +
                " --output " + shell_quoted(folder / "characters.h5"));
  BOOST_REQUIRE_MESSAGE(prepared.exit_code == 0, prepared.errors);
  refused("--data.train " + shell_quoted(folder / "characters.h5") + " --model.vocab 300", {"it can only grow"});
}

}  // namespace
}  // namespace tessera::testing
