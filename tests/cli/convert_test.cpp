// SPDX-License-Identifier: Apache-2.0
// tessera checkpoint export and import: models of ours for Hugging Face, and of theirs for us.
#include <cstring>
#include <filesystem>
#include <iostream>

#include "cli/fixture.hpp"
#include "json/json.hpp"
#include "safetensors/file_set.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

ProcessResult checkpoint(const std::string& arguments) {
  return run_shell(tessera() + " checkpoint " + arguments);
}

std::string import_of(const std::string& folder, const std::string& output, const std::string& options = "") {
  return "import " + shell_quoted(folder) + " --from safetensors --output " + shell_quoted(output) + " " + options;
}

std::string export_of(const std::string& path, const std::string& output, const std::string& options = "") {
  return "export " + shell_quoted(path) + " --to safetensors --output " + shell_quoted(output) + " " + options;
}

void require_done(const ProcessResult& result) {
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.output << result.errors);
}

/// A run of eight steps with a BPE tokenizer.
struct BpeRun : RunFixture {
  BpeRun() {
    const std::string tokenizer = shell_quoted(folder / "tokenizer.json"), text = shell_quoted(folder / "text.txt");
    require_done(run_shell(tessera() + " data train-tokenizer --vocab 290 --input " + text + " --output " + tokenizer));
    require_done(run_shell(tessera() + " data prepare --input " + text + " --tokenizer " + tokenizer + " --output " +
                           shell_quoted(tokens)));
    require_done(train("--model.tied_head=false"));
  }

  std::string generated(const std::string& path) const {
    const ProcessResult result =
        run_shell(tessera() + " generate --checkpoint " + shell_quoted(path) + " --prompt 'The king ' --tokens 30");
    require_done(result);
    return result.output;
  }
};

/// The small GPT-2 of the development data, or "" (and a line that says so) without it.
std::string published_model() {
  const std::string path = TESSERA_SHARED_DATA "/weights-tiny-random-gpt2";
  if (fs::exists(path)) return path;
  std::cout << "SKIPPED: " << path << " is absent" << std::endl;
  return "";
}

std::vector<float> values_of(const safetensors::FileSet& files, const safetensors::FileSet::Tensor& tensor) {
  std::vector<float> values(tensor.num_elements());
  files.read(tensor, 0, values);
  return values;
}

std::string comma_separated(const json::Json& ids) {
  const std::string list = ids.dump();
  return list.substr(1, list.size() - 2);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_published_model_comes_back_bit_for_bit_and_writes_what_is_expected) {
  const std::string model = published_model();
  if (model.empty()) return;
  const TestFolder folder;
  const std::string file = folder / "tiny.h5";
  require_done(checkpoint(import_of(model, file, "--tokenizer bytes --model.heads=4")));

  const json::Json expected = json::parse(read_file(model + "/expected.json"), "expected.json");
  const json::Array& continuations = expected.at("greedy").as_array();
  BOOST_TEST(continuations.size() == 2u);
  std::string prompts, outputs;
  for (const json::Json& greedy : continuations) {
    prompts += " --prompt-ids " + comma_separated(greedy.at("prompt"));
    outputs += comma_separated(greedy.at("output")) + "\n";
  }
  const std::string generate = " generate --checkpoint " + shell_quoted(file) + " --temperature 0 --tokens 6" + prompts;
  BOOST_TEST(run_shell(tessera() + generate).output == outputs);
  BOOST_TEST(run_shell(tessera_on(2) + generate + " --tensor 2").output == outputs);
  const json::Json answer = json::parse(run_shell(tessera() + generate + " --json").output, "answer");
  BOOST_TEST(answer.at("generations").as_array()[0].at("ids").dump() == "[204,204,204,204,204,204]");

  require_done(checkpoint(export_of(file, folder / "out", "--max-shard 100kB")));
  const safetensors::FileSet before(model), after(folder / "out");
  BOOST_TEST(after.files().size() > 2u);
  BOOST_TEST(after.tensors().size() == before.tensors().size());
  for (const safetensors::FileSet::Tensor& tensor : before.tensors()) {
    const safetensors::FileSet::Tensor* other = after.find("transformer." + tensor.name);  // there it has no prefix
    BOOST_REQUIRE_MESSAGE(other != nullptr, tensor.name);
    BOOST_TEST(other->shape == tensor.shape, boost::test_tools::per_element());
    const std::vector<float> values = values_of(before, tensor), others = values_of(after, *other);
    BOOST_TEST(std::memcmp(values.data(), others.data(), values.size() * sizeof(float)) == 0, tensor.name);
  }
}

BOOST_FIXTURE_TEST_CASE(a_run_writes_the_same_text_after_it_was_out_and_in, BpeRun) {
  const ProcessResult out = checkpoint(export_of(run, folder / "hf", "--json"));
  require_done(out);
  const json::Json exported = json::parse(out.output, "export");
  BOOST_TEST(exported.at("step").as_int() == 8);
  BOOST_TEST(exported.at("hugging_face_tokenizer").as_bool());
  const ProcessResult in = checkpoint(import_of(folder / "hf", folder / "imported", "--json"));
  require_done(in);
  const json::Json imported = json::parse(in.output, "import");
  BOOST_TEST(imported.at("digest").as_string() == exported.at("digest").as_string());
  BOOST_TEST(imported.at("assumptions").as_array().empty());
  BOOST_TEST(imported.at("output").as_string() == folder / "imported/step-00000000.h5");
  BOOST_TEST(!generated(run).empty());
  BOOST_TEST(generated(folder / "imported") == generated(run));
  const ProcessResult evaluated = run_shell(tessera() + " evaluate --checkpoint " + shell_quoted(folder / "imported") +
                                            " --data " + shell_quoted(folder / "text.txt"));
  BOOST_TEST(evaluated.exit_code == 0, evaluated.errors);
}

BOOST_FIXTURE_TEST_CASE(an_exported_model_is_the_same_under_transformers, BpeRun) {
  require_done(checkpoint(export_of(run, folder / "hf")));
  write_file(folder / "short.txt", "The king said.");
  const ProcessResult compared =
      run_shell("python3 " + shell_quoted(TESSERA_SOURCE_DIR "/scripts/compare_transformers.py") + " " +
                shell_quoted(run) + " " + shell_quoted(folder / "hf") + " " + shell_quoted(folder / "short.txt") +
                " --tessera " + shell_quoted(TESSERA_BINARY));
  if (compared.exit_code == 77)
    std::cout << "SKIPPED: " << compared.errors << std::flush;
  else
    BOOST_TEST(compared.exit_code == 0, compared.output << compared.errors);
}

BOOST_FIXTURE_TEST_CASE(a_tokenizer_that_hugging_face_lacks_goes_in_our_own_file, RunFixture) {
  require_done(train("--run.steps 1"));
  const ProcessResult out = checkpoint(export_of(run, folder / "hf"));
  require_done(out);
  BOOST_TEST(out.output.find("a bytes tokenizer has no Hugging Face form") != std::string::npos, out.output);
  require_done(checkpoint(import_of(folder / "hf", folder / "again.h5")));
}

BOOST_FIXTURE_TEST_CASE(exports_that_cannot_be_are_refused, RunFixture) {
  require_done(train("--run.steps 1 --model.attention=alternating --model.window=4"));
  expect_error(checkpoint(export_of(run, folder / "hf")), 2, "model.attention = alternating has no place in GPT-2");
  BOOST_TEST(!fs::exists(folder / "hf"));
  expect_error(checkpoint(export_of(run, folder.path())), 2, "model.attention");
  expect_error(checkpoint("export " + shell_quoted(run) + " --to gguf --output x"), 2, "--to = 'gguf'");
  expect_error(checkpoint("export " + shell_quoted(run) + " --to safetensors"), 2, "needs --output");
  expect_error(checkpoint("export --to safetensors --output x"), 2, "needs a checkpoint");
  expect_error(checkpoint(export_of(run, folder / "hf", "--max-shard 0")), 2, "--max-shard = '0'");
  expect_error(checkpoint(export_of(run, folder / "hf", "--max-shard 5X")), 2, "--max-shard = '5X'");
  expect_error(checkpoint(export_of(folder / "absent", folder / "hf")), 2, "absent' does not exist");
  expect_error(run_shell(tessera_on(2) + " checkpoint " + export_of(folder / "absent", folder / "hf")), 2,
               "absent' does not exist");
  write_file(folder / "foreign.h5", "no checkpoint of ours, but long enough to be looked at");
  expect_error(checkpoint(export_of(folder / "foreign.h5", folder / "hf")), 2, "foreign.h5");
}

BOOST_FIXTURE_TEST_CASE(imports_that_cannot_be_are_refused, RunFixture) {
  require_done(train("--run.steps 1"));
  const std::string hf = folder / "hf";
  require_done(checkpoint(export_of(run, hf)));
  require_done(checkpoint(import_of(hf, folder / "there.h5")));
  const auto refused = [&](const std::string& options, const std::string& text) {
    expect_error(checkpoint(import_of(hf, folder / "in.h5", options)), 2, text);
    BOOST_TEST(!fs::exists(folder / "in.h5"));
  };
  expect_error(checkpoint(import_of(hf, folder / "there.h5")), 2, "there.h5' exists");
  expect_error(checkpoint(import_of(hf, run + "/checkpoints")), 2, "step-00000001.h5' among them");
  expect_error(checkpoint(import_of(hf, folder / "step-00000004.h5")), 2, "of step 4");
  expect_error(checkpoint(import_of(folder / "absent", folder / "in.h5")), 2, "absent' is no folder");
  expect_error(checkpoint(import_of(run, folder / "in.h5", "--tokenizer bytes")), 2,
               "holds neither 'model.safetensors'");
  expect_error(checkpoint("import " + shell_quoted(hf) + " --output x.h5 --from gguf"), 2, "--from = 'gguf'");
  refused("--model.heads=4", "model.heads = 4 (--model.heads), but 2 (n_head of '");
  refused("--model.heads=x", "model.heads = 'x'");
  refused("--model.attention=alternating", "'--model.attention' is unknown");
  refused("--tokenizer absent.json", "absent.json");

  const std::string file = hf + "/model.safetensors";
  const safetensors::FileSet files(hf);
  fs::resize_file(file, fs::file_size(file) - 4);
  refused("", "outside the");
  write_file(file, "");
  refused("", "too short for a safetensors file");
  fs::remove(hf + "/tessera-tokenizer.json");
  refused("", "holds no tokenizer");
}

BOOST_AUTO_TEST_CASE(the_checkpoint_command_names_its_actions) {
  expect_error(checkpoint(""), 2, "needs an action");
  expect_error(checkpoint("improt x"), 2, "'improt' is no action; the nearest is 'import'");
}

BOOST_FIXTURE_TEST_CASE(prompts_of_ids_are_checked, RunFixture) {
  require_done(train("--run.steps 1"));
  const auto generate = [&](const std::string& options) {
    return run_shell(tessera() + " generate --tokens 3 --checkpoint " + shell_quoted(run) + " " + options);
  };
  for (const std::string list : {"", "1,", ",1", "1;2", "1, 2", "257", "-1", "99999999999", "a"})
    expect_error(generate("--prompt-ids=" + shell_quoted(list)), 2,
                 "--prompt-ids = '" + list + "' must be ids from 0 to 256");
  expect_error(generate("--prompt-ids 1 --prompt x"), 2, "--prompt is a text");
  expect_error(generate("--prompt-ids 1 --stop x"), 2, "--stop is a text");
  // The same model draws the same for a text and for its ids.
  const json::Json text = json::parse(generate("--prompt ab --json").output, "text"),
                   ids = json::parse(generate("--prompt-ids 97,98 --json").output, "ids");
  BOOST_TEST(text.at("generations").as_array()[0].at("ids").dump() ==
             ids.at("generations").as_array()[0].at("ids").dump());
}

}  // namespace tessera::testing
