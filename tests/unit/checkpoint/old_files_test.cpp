// SPDX-License-Identifier: Apache-2.0
// Files of released formats stay readable. Each was written by `tessera train` of its time; the numbers here are those
// that h5py read from it.
#include <boost/test/unit_test.hpp>

#include "checkpoint/verify.hpp"

namespace tessera::checkpoint {
namespace {

void expect_tensor(const FileReader& file, const char* path, const std::vector<std::uint64_t>& shape, const char* sum,
                   const std::vector<float>& beginning) {
  const FileReader::Tensor* tensor = file.find(path);
  BOOST_REQUIRE_MESSAGE(tensor, path << " is missing");
  BOOST_TEST(tensor->shape == shape, boost::test_tools::per_element());
  BOOST_TEST(tensor->sum == sum);
  std::vector<float> values(beginning.size());
  file.read(*tensor, 0, values);
  BOOST_TEST(values == beginning, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_file_of_format_3) {
  const std::string path = TESSERA_GOLDEN_DATA "/checkpoint-v3.h5";
  BOOST_TEST((verify(path).condition == Condition::sound));
  const FileReader file(path);
  const RunState& state = file.state();
  BOOST_TEST(state.step == 2);
  BOOST_TEST(state.updates == 2);
  BOOST_TEST(state.skips == 0);
  BOOST_TEST(state.tokens == 32);
  BOOST_TEST(state.mesh == "data 1, pipeline 1, tensor 1");
  BOOST_TEST(state.version.starts_with("tessera 0.1.0 "));
  BOOST_TEST(state.config.find("\nhidden = 4\n") != std::string::npos);
  BOOST_TEST(state.tokenizer ==
             "{\"format\":\"tessera-tokenizer\",\"version\":1,\"kind\":\"characters\",\"characters\":\" abcd\"}");
  BOOST_TEST(state.tokenizer_fingerprint == "3d9fcab563845cb2");
  BOOST_TEST(file.digest() == "9bfec248d33c7d63");
  BOOST_TEST(file.has_optimizer());
  BOOST_TEST(file.tensors().size() == 60U);
  expect_tensor(file, "/model/token_embedding", {6, 4}, "011200c73f2778ea",
                {0x1.44f34p-9f, -0x1.a79accp-8f, -0x1.01be3cp-5f});
  expect_tensor(file, "/optimizer/m/token_embedding", {6, 4}, "3ac4e45561e5c19d",
                {0x1.b79382p-6f, 0x1.36ba38p-7f, -0x1.86e23ep-7f});
  expect_tensor(file, "/optimizer/v/blocks.0.mlp.up.bias", {16}, "f19e0bb937cd11dc",
                {0x1.6ec438p-24f, 0x1.d1395ep-23f, 0x1.2c7918p-26f});
}

}  // namespace
}  // namespace tessera::checkpoint
