// SPDX-License-Identifier: Apache-2.0
#include "safetensors/writer.hpp"

#include <algorithm>
#include <stdexcept>

#include "fixture.hpp"
#include "json/json.hpp"
#include "safetensors/file_set.hpp"

namespace tessera::safetensors {
namespace {

const std::vector<TensorSpec> kTensors = {{"first", {2, 3}}, {"second", {5}}, {"third", {}}, {"none", {0, 4}}};

/// Values of which each tells tensor and place.
std::vector<float> values_of(std::size_t tensor) {
  std::vector<float> values(kTensors[tensor].num_elements());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(100 * tensor + i);
  return values;
}

void append_all(Writer& writer) {
  for (std::size_t tensor = kTensors.size(); tensor-- > 0;) {  // their order is free
    const std::vector<float> values = values_of(tensor);
    const std::size_t half = values.size() / 2;
    writer.append(kTensors[tensor].name, std::span(values).first(half));
    writer.append(kTensors[tensor].name, std::span(values).subspan(half));
  }
}

/// Writes all tensors; returns the names of the files.
std::vector<std::string> write_all(const std::string& path, std::uint64_t max_shard_bytes) {
  OutputFolder folder(path);
  Writer writer(folder, kTensors, max_shard_bytes);
  append_all(writer);
  writer.finish();
  return folder.publish();
}

void check_content(const std::string& path) {
  const FileSet files(path);
  BOOST_TEST(files.tensors().size() == kTensors.size());
  for (std::size_t i = 0; i < kTensors.size(); ++i) {
    const FileSet::Tensor* tensor = files.find(kTensors[i].name);
    BOOST_REQUIRE(tensor != nullptr);
    BOOST_TEST(tensor->shape == kTensors[i].shape, boost::test_tools::per_element());
    std::vector<float> values(tensor->num_elements());
    files.read(*tensor, 0, values);
    BOOST_TEST(values == values_of(i), boost::test_tools::per_element());
  }
}

std::vector<std::string> names_in(const fs::path& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

BOOST_FIXTURE_TEST_CASE(one_file_is_written_and_read, Folder) {
  BOOST_TEST(write_all(*this / "out", 1000) == Names{"model.safetensors"}, boost::test_tools::per_element());
  check_content(*this / "out");
  BOOST_TEST(names_in(path / "out") == Names{"model.safetensors"}, boost::test_tools::per_element());
  const std::string bytes = read_bytes(*this / "out/model.safetensors");
  BOOST_TEST(data_start(bytes, bytes.size(), "x") % 8 == 0u);
  BOOST_TEST(bytes.find(R"({"__metadata__":{"format":"pt"},)") == 8u);
}

BOOST_FIXTURE_TEST_CASE(shards_are_as_large_as_they_may_be, Folder) {
  // 24, 20, 4 and 0 bytes.
  const auto sizes = [](std::uint64_t max_bytes) {
    std::vector<std::size_t> counts;
    for (const Shard& shard : plan_shards(kTensors, max_bytes)) counts.push_back(shard.tensors.size());
    return counts;
  };
  using Sizes = std::vector<std::size_t>;
  BOOST_TEST(sizes(48) == Sizes{4}, boost::test_tools::per_element());
  BOOST_TEST(sizes(47) == (Sizes{2, 2}), boost::test_tools::per_element());
  BOOST_TEST(sizes(24) == (Sizes{1, 3}), boost::test_tools::per_element());
  BOOST_TEST(sizes(1) == (Sizes{1, 1, 1, 1}), boost::test_tools::per_element());
  BOOST_TEST(
      write_all(*this / "out", 24) == (Names{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                                             "model.safetensors.index.json"}),
      boost::test_tools::per_element());
  check_content(*this / "out");
  const json::Json index = json::parse(read_bytes(*this / "out/model.safetensors.index.json"), "index");
  BOOST_TEST(index.at("metadata").at("total_size").as_int() == 48);
  BOOST_TEST(index.at("weight_map").at("third").as_string() == "model-00002-of-00002.safetensors");
}

BOOST_FIXTURE_TEST_CASE(what_is_not_whole_is_not_published, Folder) {
  {
    OutputFolder folder(*this / "out");
    Writer writer(folder, kTensors, 1);
    const std::vector<float> values = values_of(0);
    writer.append("first", std::span(values).first(4));
    BOOST_CHECK_THROW(writer.append("first", std::span(values).first(3)), std::logic_error);
    BOOST_CHECK_THROW(writer.append("fifth", values), std::logic_error);
    BOOST_CHECK_THROW(writer.finish(), std::logic_error);
    BOOST_CHECK_THROW(FileSet(*this / "out"), base::UsageError);
  }
  BOOST_TEST(!fs::exists(path / "out"));
}

BOOST_FIXTURE_TEST_CASE(an_output_that_exists_is_refused, Folder) {
  BOOST_CHECK_EXCEPTION(OutputFolder(write("file", "")), base::UsageError, says({"file", "no folder"}));
  write("full/other", "kept");
  BOOST_CHECK_EXCEPTION(OutputFolder(*this / "full"), base::UsageError, says({"full", "not empty"}));
  BOOST_TEST(read_bytes(*this / "full/other") == "kept");
  fs::create_symlink("absent", path / "link");
  BOOST_CHECK_EXCEPTION(OutputFolder(*this / "link"), base::UsageError, says({"link", "no folder"}));
  BOOST_CHECK_EXCEPTION(OutputFolder(*this / "file/below"), base::UsageError, says({"below", "cannot be made"}));
  fs::create_directory(path / "empty");
  { OutputFolder(*this / "empty").create("x"); }
  BOOST_TEST(names_in(path / "empty").empty());  // the folder was there before, and stays
  OutputFolder folder(*this / "twice");
  BOOST_CHECK_EXCEPTION(Writer(folder, {{"w", {1}}, {"w", {2}}}, 100), base::UsageError, says({"\"w\"", "twice"}));
}

}  // namespace tessera::safetensors
