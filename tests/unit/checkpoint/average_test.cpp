// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/average.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "unit/checkpoint/sample_file.hpp"

namespace tessera::checkpoint {
namespace {

std::vector<float> values_of(const FileReader& file, const std::string& path) {
  const FileReader::Tensor* tensor = file.find(path);
  BOOST_REQUIRE(tensor);
  std::vector<float> values(static_cast<std::size_t>(tensor->num_elements()));
  file.read(*tensor, 0, values);
  return values;
}

struct Averaged : SampleFile {
  std::string output = folder + "/average.h5";
  std::vector<FileReader> files;

  Averaged() {
    for (const std::int64_t step : {8, 4, 6}) files.emplace_back(write(step));
  }
};

BOOST_FIXTURE_TEST_CASE(the_average_is_that_of_plain_loops, Averaged) {
  const std::vector<double> shares = {1, 1, 2};
  write_average(output, sample_state(8), files, shares);
  const FileReader average(output);
  BOOST_TEST(!average.has_optimizer());
  BOOST_TEST(average.tensors().size() == 13U);
  BOOST_TEST(average.state().step == 8);
  for (const FileReader::Tensor& tensor : average.tensors()) {
    BOOST_TEST(average.is_sound(tensor));
    const std::vector<float> values = values_of(average, tensor.path);
    for (std::size_t i = 0; i < values.size(); ++i) {
      double mean = 0;
      for (std::size_t file = 0; file < files.size(); ++file)
        mean += shares[file] * double{values_of(files[file], tensor.path)[i]} / 4;
      BOOST_TEST_REQUIRE(values[i] == static_cast<float>(mean));
    }
  }
}

BOOST_FIXTURE_TEST_CASE(the_average_of_equal_weights_is_their_bits, Averaged) {
  const std::string& digest = files.front().digest();
  for (const std::size_t copies : {1u, 2u, 3u}) {
    std::vector<FileReader> same;
    for (std::size_t copy = 0; copy < copies; ++copy) same.emplace_back(path);
    write_average(output, sample_state(8), same, std::vector<double>(copies, 0.7));
    BOOST_TEST(FileReader(output).digest() == digest);
  }
}

BOOST_FIXTURE_TEST_CASE(tensors_of_more_than_one_piece_are_averaged_whole, SampleFile) {
  const std::vector<Dataset> datasets = {{"/model/large", {2, FileReader::piece_elements}}};
  std::vector<FileReader> files;
  for (const std::int64_t step : {1, 2}) files.emplace_back(write(step, datasets));
  write_average(folder + "/average.h5", sample_state(2), files, {1, 1});
  const FileReader average(folder + "/average.h5");
  const std::vector<float> mean = values_of(average, "/model/large"), a = values_of(files[0], "/model/large"),
                           b = values_of(files[1], "/model/large");
  for (std::size_t i = 0; i < mean.size(); ++i)
    BOOST_TEST_REQUIRE(mean[i] == static_cast<float>((double{a[i]} + double{b[i]}) / 2));
}

BOOST_FIXTURE_TEST_CASE(every_difference_of_models_is_listed, Averaged) {
  BOOST_TEST(model_differences(files[0], files[1]).empty());
  const FileReader other(
      write(5, {{"/model/embedding", {8, 12}}, {"/model/extra", {3}}, {"/model/blocks.0.bias", {6}}}));
  const std::vector<std::string> lines = model_differences(files[0], other);
  BOOST_TEST(lines.size() == 13U);  // 11 are missing, one has another shape, one is new
  const auto lists = [&](const std::string& line) {
    BOOST_TEST((std::find(lines.begin(), lines.end(), line) != lines.end()), line);
  };
  lists("/model/embedding has shape [8, 12], not [12, 8]");
  lists("/model/blocks.5.weight is missing");
  lists("/model/extra is not in the first");
}

BOOST_FIXTURE_TEST_CASE(damage_of_an_input_leaves_no_output, Averaged) {
  const FileReader::Tensor* tensor = files[1].find("/model/blocks.4.bias");
  BOOST_REQUIRE(tensor);
  const float changed = 0.25f;
  base::PosixFile::open_write(files[1].path()).write_at(tensor->offset, &changed, sizeof changed);
  BOOST_CHECK_EXCEPTION(
      write_average(output, sample_state(8), files, {1, 1, 1}), DamagedError, [&](const DamagedError& error) {
        const std::string text = error.what();
        return text.find(files[1].path() + "' is damaged: /model/blocks.4.bias has a wrong") != std::string::npos;
      });
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    BOOST_TEST(entry.path().string().find("average") == std::string::npos, entry.path().string());
}

}  // namespace
}  // namespace tessera::checkpoint
