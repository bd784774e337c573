// SPDX-License-Identifier: Apache-2.0
// tessera checkpoint list, show and verify.
#include "cli/checkpoints.hpp"
#include "support/first_block.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

using Pairs = std::vector<std::pair<std::int64_t, std::string>>;

/// Steps and states, as listed.
Pairs listed(const std::string& path, const std::string& options = "") {
  const json::Json object = CheckpointFixture::json_of("list " + shell_quoted(path) + options);
  Pairs entries;
  for (const json::Json& entry : object.at("checkpoints").as_array())
    entries.emplace_back(entry.at("step").as_int(), entry.at("state").as_string());
  return entries;
}

BOOST_FIXTURE_TEST_CASE(list_shows_all_newest_first_and_says_what_is_wrong, CheckpointFixture) {
  BOOST_TEST((listed(run) == Pairs{{8, "valid"}, {6, "valid"}, {4, "valid"}, {2, "valid"}}));
  fs::rename(file(2), file(2) + ".damaged");
  fs::copy(file(8), dir + "/step-00000009.h5.tmp");
  fs::resize_file(file(8), fs::file_size(file(8)) - 10);
  damage_tensor(file(6), "/model/final_norm.bias");
  const Pairs quick{{9, "unfinished"}, {8, "damaged"}, {6, "valid"}, {4, "valid"}, {2, "set aside"}};
  Pairs deep = quick;
  deep[2].second = "damaged";
  BOOST_TEST((listed(run) == quick));
  BOOST_TEST((listed(dir) == quick));
  BOOST_TEST((listed(run, " --deep") == deep));

  const json::Json object = json_of("list --deep " + shell_quoted(run));
  BOOST_TEST(object.at("folder").as_string() == dir);
  const json::Array& entries = object.at("checkpoints").as_array();
  BOOST_TEST(entries[1].at("reason").as_string().find("is cut short") != std::string::npos);
  BOOST_TEST(entries[2].at("reason").as_string() == "/model/final_norm.bias has a wrong checksum");
  const json::Json& sound = entries[3];
  BOOST_TEST(sound.at("file").as_string() == "step-00000004.h5");
  BOOST_TEST(sound.at("tokens").as_int() == 4 * 8 * 16);
  BOOST_TEST(sound.at("mesh").as_string() == "data 1, pipeline 1, tensor 1");
  BOOST_TEST(sound.at("optimizer").as_bool());
  BOOST_TEST(sound.at("kept_for_good").as_bool());
  BOOST_TEST(sound.at("size_bytes").as_int() == static_cast<std::int64_t>(fs::file_size(file(4))));
  BOOST_TEST(sound.at("date").as_string().starts_with("20"));

  const std::string table = checkpoint("list " + shell_quoted(run)).output;
  BOOST_TEST(table.find("step-00000008.h5: checkpoint '" + file(8) + "' is cut short") != std::string::npos, table);
  BOOST_TEST(table.find("for good") < table.find("set aside"), table);
}

BOOST_FIXTURE_TEST_CASE(list_refuses_what_is_no_folder_of_checkpoints, CheckpointFixture) {
  expect_error(checkpoint("list " + shell_quoted(file(8))), 2, "is a file: name its folder");
  expect_error(checkpoint("list " + shell_quoted(folder / "absent")), 2, "does not exist");
  expect_error(checkpoint("list " + shell_quoted(folder.path())), 2, "holds no checkpoint");
  expect_error(checkpoint("list"), 2, "needs a folder");
}

BOOST_FIXTURE_TEST_CASE(show_tells_what_a_file_holds, CheckpointFixture) {
  const json::Json object = json_of("show " + shell_quoted(run) + " --config");
  BOOST_TEST(object.at("file").as_string() == file(8));
  BOOST_TEST(object.at("format").as_int() == checkpoint::format_version);
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::int64_t>>{
           {"step", 8}, {"updates", 8}, {"skips", 0}, {"tokens", 8 * 8 * 16}})
    BOOST_TEST(object.at(key).as_int() == value, key);
  BOOST_TEST(object.at("tokenizer").at("kind").as_string() == "bytes");
  BOOST_TEST(object.at("tokenizer").at("vocab").as_int() == 257);
  BOOST_TEST(object.at("version").as_string().starts_with("tessera "));
  BOOST_TEST(object.at("config").as_string().find("\nhidden = 32\n") != std::string::npos);
  const json::Array& tensors = object.at("tensors").as_array();
  std::int64_t weights = 0;
  for (const json::Json& tensor : tensors) {
    std::int64_t elements = 1;
    for (const json::Json& extent : tensor.at("shape").as_array()) elements *= extent.as_int();
    if (tensor.at("path").as_string().starts_with("/model/")) weights += elements;
    BOOST_TEST(tensor.at("sound").as_bool());
    BOOST_TEST(tensor.at("nonfinite").as_int() == 0);
  }
  BOOST_TEST(object.at("parameters").as_int() == weights);

  // What it prints is a configuration.
  const ProcessResult checked = run_shell(tessera() + " checkpoint show --config " + shell_quoted(file(6)) + " > " +
                                          shell_quoted(folder / "shown.cfg") + " && " + tessera() + " check --config " +
                                          shell_quoted(folder / "shown.cfg"));
  BOOST_TEST(checked.exit_code == 0, checked.errors);
  const std::string table = checkpoint("show " + shell_quoted(file(6)) + " --tensors '/model/blocks.1.*'").output;
  BOOST_TEST(table.find("\n/model/blocks.1.mlp.up.weight ") != std::string::npos, table);
  BOOST_TEST(table.find("/model/blocks.0") == std::string::npos, table);
  expect_error(checkpoint("show " + shell_quoted(file(6)) + " --tensors nothing"), 2, "matches none");
}

BOOST_FIXTURE_TEST_CASE(show_names_damage, CheckpointFixture) {
  damage_tensor(file(8), "/model/final_norm.gain");
  const ProcessResult shown = checkpoint("show " + shell_quoted(file(8)));
  expect_error(shown, 1, "/model/final_norm.gain has a wrong checksum");
  BOOST_TEST(shown.output.find(" WRONG\n") != std::string::npos, shown.output);
  const json::Json object = json_of("show " + shell_quoted(file(8)), 1);
  for (const json::Json& tensor : object.at("tensors").as_array())
    BOOST_TEST(tensor.at("sound").as_bool() == (tensor.at("path").as_string() != "/model/final_norm.gain"));
  fs::resize_file(file(8), fs::file_size(file(8)) - 10);
  expect_error(checkpoint("show " + shell_quoted(file(8))), 2, "is cut short");
  const ProcessResult older = checkpoint("show " + shell_quoted(run));
  expect_error(older, 0, "is cut short");
  BOOST_TEST(older.output.find("step-00000006.h5'") != std::string::npos, older.output);
}

BOOST_FIXTURE_TEST_CASE(verify_says_sound_of_sound_files, CheckpointFixture) {
  const json::Json object = json_of("verify " + shell_quoted(run) + " " + shell_quoted(file(4)));
  BOOST_TEST(object.at("sound").as_bool());
  BOOST_TEST(object.at("files").as_array().size() == 5U);
  const ProcessResult ranks = run_shell(tessera_on(2) + " checkpoint verify " + shell_quoted(run));
  BOOST_TEST(ranks.exit_code == 0, ranks.errors);
  BOOST_TEST(ranks.output.find("step-00000008.h5': sound, step 8, ") != std::string::npos, ranks.output);
  BOOST_TEST(ranks.output.find("step-00000008.h5") == ranks.output.rfind("step-00000008.h5"), ranks.output);
}

BOOST_FIXTURE_TEST_CASE(verify_names_all_that_is_damaged, CheckpointFixture) {
  damage_tensor(file(8), "/model/token_embedding");
  damage_tensor(file(8), "/optimizer/v/blocks.1.mlp.up.bias");
  fs::resize_file(file(6), 700);
  const ProcessResult result = checkpoint("verify " + shell_quoted(dir));
  BOOST_TEST(result.exit_code == 1);
  for (const std::string part : {"step-00000008.h5': damaged\n  /model/token_embedding has a wrong checksum\n  "
                                 "/optimizer/v/blocks.1.mlp.up.bias "
                                 "has a wrong checksum\n",
                                 "step-00000006.h5': damaged\n  checkpoint '", "is cut short",
                                 "step-00000004.h5': sound", "step-00000002.h5': sound"})
    BOOST_TEST(result.output.find(part) != std::string::npos, "no '" << part << "' in: " << result.output);
  BOOST_TEST(run_shell(tessera_on(2) + " checkpoint verify " + shell_quoted(dir)).exit_code == 1);
  const json::Json file_8 = json_of("verify " + shell_quoted(file(8)), 1).at("files").as_array()[0];
  BOOST_TEST(file_8.at("verdict").as_string() == "damaged");
  BOOST_TEST(file_8.at("datasets").as_array().size() == 2U);
  BOOST_TEST(file_8.at("datasets").as_array()[0].as_string() == "/model/token_embedding");
}

BOOST_FIXTURE_TEST_CASE(verify_knows_strangers_and_other_formats, CheckpointFixture) {
  const ProcessResult foreign = checkpoint("verify " + shell_quoted(tokens));
  BOOST_TEST(foreign.exit_code == 1);
  BOOST_TEST(foreign.output.find("is not a checkpoint of Tessera") != std::string::npos, foreign.output);
  write_file(file(8), with_format(read_file(file(8)), 77));
  const ProcessResult newer = checkpoint("verify " + shell_quoted(file(8)));
  BOOST_TEST(newer.exit_code == 1);
  BOOST_TEST(newer.output.find("unreadable\n") != std::string::npos, newer.output);
  BOOST_TEST(newer.output.find("has format 77") != std::string::npos, newer.output);
  expect_error(train(""), 2, "has format 77");
  expect_error(checkpoint("verify " + shell_quoted(folder / "absent.h5")), 2, "absent.h5' does not exist");
  expect_error(checkpoint("verify " + shell_quoted(folder.path())), 2, "holds no checkpoint");
  expect_error(checkpoint("verify /dev/null"), 2, "is no regular file");
  expect_error(checkpoint("verify"), 2, "needs a file");
  expect_error(checkpoint("verify --bogus"), 2, "bogus");
}

BOOST_FIXTURE_TEST_CASE(verify_reads_what_checksums_do_not_tell, CheckpointFixture) {
  ProcessResult forged;
  if (!run_script("forge_checkpoint.py " + shell_quoted(file(8)) + " remove /model/final_norm.gain", forged)) return;
  // What resumes must see it too.
  fs::copy(run, folder / "copy", fs::copy_options::recursive);
  expect_error(train("--run.steps 9 --run.dir " + shell_quoted(folder / "copy")), 0,
               "/model/final_norm.gain is missing");
  run_script("forge_checkpoint.py " + shell_quoted(file(6)) + " text config '[model] layers'", forged);
  run_script("forge_checkpoint.py " + shell_quoted(file(4)) + " text tokenizer '{\"format\": 5}'", forged);
  const std::string output = checkpoint("verify " + shell_quoted(run)).output;
  for (const std::string part : {"step-00000008.h5': damaged\n  /model/final_norm.gain is missing\n",
                                 "step-00000006.h5': damaged\n  /run/config does not parse",
                                 "step-00000004.h5': damaged\n  /run/tokenizer does", "step-00000002.h5': sound"})
    BOOST_TEST(output.find(part) != std::string::npos, "no '" << part << "' in: " << output);
}

BOOST_AUTO_TEST_CASE(actions_are_told_apart) {
  const std::string checkpoint = tessera() + " checkpoint";
  expect_error(run_shell(checkpoint), 2, "needs an action");
  expect_error(run_shell(checkpoint + " verfy"), 2, "the nearest is 'verify'");
  for (const std::string action : {"list", "show", "verify", "prune", "average"}) {
    BOOST_TEST(run_shell(checkpoint + " " + action + " --help").exit_code == 0, action);
    BOOST_TEST(run_shell(checkpoint + " --help").output.find("tessera checkpoint " + action) != std::string::npos,
               action);
    const ProcessResult result = run_shell(tessera_on(2) + " checkpoint " + action + " --bogus");
    expect_error(result, 2, "bogus");
    BOOST_TEST(result.errors.find("error: ") == result.errors.rfind("error: "), action << ": " << result.errors);
  }
}

}  // namespace
}  // namespace tessera::testing
