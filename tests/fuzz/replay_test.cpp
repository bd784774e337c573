// SPDX-License-Identifier: Apache-2.0
// The seeds of a fuzz target in the normal tests, without a fuzzer: each as it is, cut short everywhere, and with every
// bit flipped. What a fuzzer found goes into the same folder.
#define BOOST_TEST_MODULE fuzz_replay
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/target.hpp"

namespace tessera::fuzz {
namespace {

void handle(const std::string& input, const std::string& name) {
  try {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  } catch (const std::exception& error) {
    BOOST_ERROR(name << ": " << error.what());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(seeds_and_their_neighbours_are_handled) {
  std::size_t seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TESSERA_FUZZ_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::string input{std::istreambuf_iterator<char>(file), {}};
    const std::string name = entry.path().filename().string();
    handle(input, name);
    for (std::size_t size = 0; size < input.size(); ++size) handle(input.substr(0, size), name + " cut short");
    for (char& byte : input)
      for (int bit = 0; bit < 8; ++bit) {
        byte = static_cast<char>(byte ^ (1 << bit));
        handle(input, name + " with a bit flipped");
        byte = static_cast<char>(byte ^ (1 << bit));
      }
    ++seeds;
  }
  BOOST_TEST(seeds > 0u);
}

}  // namespace tessera::fuzz
