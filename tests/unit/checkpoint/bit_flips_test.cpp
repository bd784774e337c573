// SPDX-License-Identifier: Apache-2.0
// No flipped bit of a file goes unnoticed, wherever it is.
#include <boost/test/unit_test.hpp>
#include <iostream>
#include <random>

#include "base/posix_file.hpp"
#include "checkpoint/user_block.hpp"
#include "checkpoint/verify.hpp"
#include "unit/checkpoint/sample_file.hpp"

namespace tessera::checkpoint {
namespace {

struct Counts {
  int tensors = 0, metadata = 0, first_block = 0;
};

struct FlippedFile : SampleFile {
  std::uint64_t size_bytes = 0, block_bytes = 0;
  std::vector<FileReader::Tensor> tensors;
  base::PosixFile reading = base::PosixFile::open_read(path), writing = base::PosixFile::open_write(path);

  FlippedFile() {
    const FileReader file(path);
    tensors = file.tensors();
    size_bytes = file.file_bytes();
    block_bytes = read_user_block(path).block_bytes;
  }

  void flip(std::uint64_t at, int bit) {
    unsigned char byte = 0;
    reading.read_at(at, &byte, 1);
    byte = static_cast<unsigned char>(byte ^ (1u << bit));
    writing.write_at(at, &byte, 1);
  }

  /// The tensor that has the byte; nullptr if none has.
  const FileReader::Tensor* owner_of(std::uint64_t at) const {
    for (const FileReader::Tensor& tensor : tensors)
      if (at >= tensor.offset && at < tensor.offset + tensor.size_bytes()) return &tensor;
    return nullptr;
  }

  /// True if the verdict blames the place where the byte is, and nothing else.
  bool blames(const Verdict& verdict, std::uint64_t at, Counts& counts) const {
    if (verdict.condition != Condition::damaged || verdict.problems.size() != 1) return false;
    const auto& [dataset, text] = verdict.problems.front();
    const auto says = [&](const char* part) { return dataset.empty() && text.find(part) != std::string::npos; };
    if (const FileReader::Tensor* tensor = owner_of(at)) {
      ++counts.tensors;
      return dataset == tensor->path && text == "has a wrong checksum";
    }
    if (at >= block_bytes) {
      ++counts.metadata;
      return says("its metadata (");
    }
    ++counts.first_block;
    return says(at < 8 ? "is not a checkpoint of Tessera" : "its first block");
  }
};

BOOST_FIXTURE_TEST_CASE(each_of_ten_thousand_flipped_bits_is_found_where_it_is, FlippedFile) {
  constexpr int kFlips = 10'000;
  std::mt19937_64 random(20261126);
  const auto below = [&](std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(random);
  };
  BOOST_REQUIRE(verify(path).condition == Condition::sound);
  Counts counts;
  for (int number = 0; number < kFlips; ++number) {
    // Tensors are the smaller part of so small a file, and get half of the flips.
    const FileReader::Tensor& tensor = tensors[below(tensors.size())];
    const std::uint64_t at = number % 2 == 0 ? below(size_bytes) : tensor.offset + below(tensor.size_bytes());
    const int bit = static_cast<int>(below(8));
    flip(at, bit);
    const Verdict verdict = verify(path);
    flip(at, bit);
    BOOST_TEST_REQUIRE(blames(verdict, at, counts),
                       "byte " << at << ", bit " << bit << ": " << name_of(verdict.condition) << " "
                               << (verdict.problems.empty() ? "" : verdict.problems.front().text));
  }
  BOOST_REQUIRE(verify(path).condition == Condition::sound);
  BOOST_TEST(counts.tensors > kFlips / 2);
  BOOST_TEST(counts.metadata > kFlips / 4);
  BOOST_TEST(counts.first_block > 0);
  std::cout << kFlips << " flipped bits found: " << counts.tensors << " in tensors, " << counts.metadata
            << " in metadata, " << counts.first_block << " in the first block\n";
}

}  // namespace
}  // namespace tessera::checkpoint
