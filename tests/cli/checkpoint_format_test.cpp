// SPDX-License-Identifier: Apache-2.0
// A checkpoint is what its description says: h5py and h5dump read it without our code, and files of older versions are
// still read.
#include <algorithm>
#include <sstream>

#include "cli/checkpoints.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

void expect_equal_tensors(const json::Json& shown, const json::Json& seen) {
  const json::Array &ours = shown.at("tensors").as_array(), &theirs = seen.at("tensors").as_array();
  BOOST_REQUIRE(ours.size() == theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const std::string path = ours[i].at("path").as_string();
    BOOST_TEST(theirs[i].at("path").as_string() == path);
    BOOST_TEST(theirs[i].at("shape").dump() == ours[i].at("shape").dump(), path);
    BOOST_TEST(theirs[i].at("sum64").as_string() == ours[i].at("sum64").as_string(), path);
    for (const char* exact : {"min", "max"})
      BOOST_TEST(theirs[i].at(exact).as_double() == ours[i].at(exact).as_double(), path << " " << exact);
    for (const char* sum : {"norm", "mean"}) {
      const double scale = ours[i].at("norm").as_double();
      BOOST_TEST(std::abs(theirs[i].at(sum).as_double() - ours[i].at(sum).as_double()) <= 1e-12 * scale, path << sum);
    }
  }
}

BOOST_FIXTURE_TEST_CASE(h5py_reads_what_show_shows, CheckpointFixture) {
  for (const std::string& path : {file(8), std::string(TESSERA_GOLDEN_DATA "/checkpoint-v3.h5")}) {
    ProcessResult result;
    if (!run_script("read_checkpoint.py " + shell_quoted(path), result)) return;
    const json::Json seen = json::parse(result.output, "read_checkpoint.py");
    const json::Json shown = json_of("show --config " + shell_quoted(path));
    expect_equal_tensors(shown, seen);
    for (const char* number : {"step", "updates", "skips", "tokens"})
      BOOST_TEST(seen.at(number).as_int() == shown.at(number).as_int(), number);
    for (const char* text : {"version", "mesh", "digest", "config"})
      BOOST_TEST(seen.at(text).as_string() == shown.at(text).as_string(), text);
    BOOST_TEST(seen.at("tokenizer_fingerprint").as_string() == shown.at("tokenizer").at("fingerprint").as_string());
  }
}

BOOST_FIXTURE_TEST_CASE(h5dump_reads_every_value, CheckpointFixture) {
  if (run_shell("command -v h5dump").exit_code != 0) {
    std::cout << "SKIPPED: hdf5-tools is not installed\n";
    return;
  }
  const checkpoint::FileReader reader(file(8));
  for (const char* path : {"/model/blocks.1.mlp.up.weight", "/optimizer/v/position_embedding"}) {
    const checkpoint::FileReader::Tensor* tensor = reader.find(path);
    BOOST_REQUIRE(tensor);
    std::vector<float> values(static_cast<std::size_t>(tensor->num_elements())), dumped;
    reader.read(*tensor, 0, values);
    const std::string text = folder / "values.txt";
    const ProcessResult dump = run_shell("h5dump -y -w 0 -m '%.9g' -d " + std::string(path) + " -o " +
                                         shell_quoted(text) + " " + shell_quoted(file(8)));
    BOOST_REQUIRE_MESSAGE(dump.exit_code == 0, dump.errors);
    std::string content = read_file(text);
    std::replace(content.begin(), content.end(), ',', ' ');
    std::istringstream stream(content);
    for (float value = 0; stream >> value;) dumped.push_back(value);
    BOOST_TEST((dumped == values), path << ": " << dumped.size() << " of " << values.size());
    const std::string shape = std::to_string(tensor->shape[0]) + ", " + std::to_string(tensor->shape[1]);
    BOOST_TEST(dump.output.find("( " + shape + " ) / ( " + shape + " )") != std::string::npos, dump.output);
    BOOST_TEST(dump.output.find("H5T_IEEE_F32LE") != std::string::npos, dump.output);
  }
}

/// The file that an older tessera wrote is a run's newest checkpoint: it is verified, used, and trained on.
BOOST_AUTO_TEST_CASE(a_run_goes_on_from_a_file_of_format_3) {
  const TestFolder folder;
  const std::string old = folder / "run/checkpoints/step-00000002.h5";
  fs::create_directories(folder / "run/checkpoints");
  fs::copy(TESSERA_GOLDEN_DATA "/checkpoint-v3.h5", old);
  const ProcessResult verified = run_shell(tessera() + " checkpoint verify " + shell_quoted(old));
  BOOST_TEST(verified.exit_code == 0, verified.output << verified.errors);
  const ProcessResult generated =
      run_shell(tessera() + " generate --prompt 'a bad' --tokens 8 --checkpoint " + shell_quoted(old));
  BOOST_TEST(generated.exit_code == 0, generated.errors);
  std::string text;
  for (int time = 0; time < 40; ++time) text += "abba cab a bad cab ";
  write_file(folder / "text.txt", text);
  const ProcessResult prepared =
      run_shell(tessera() + " data prepare --tokenizer characters --input " + shell_quoted(folder / "text.txt") +
                " --output " + shell_quoted(folder / "tokens.h5"));
  BOOST_REQUIRE_MESSAGE(prepared.exit_code == 0, prepared.errors);
  const ProcessResult trained =
      run_shell(tessera() + " checkpoint show --config " + shell_quoted(old) + " > " +
                shell_quoted(folder / "old.cfg") + " && " + tessera() + " train --config " +
                shell_quoted(folder / "old.cfg") + " --data.train=" + shell_quoted(folder / "tokens.h5") +
                " --run.steps=4 --run.dir=" + shell_quoted(folder / "run"));
  BOOST_TEST(trained.exit_code == 0, trained.errors);
  BOOST_TEST(trained.output.find("resumed from '" + old + "' (step 2)") != std::string::npos, trained.output);
  BOOST_TEST(trained.output.find("step 4/4") != std::string::npos, trained.output);
}

}  // namespace
}  // namespace tessera::testing
