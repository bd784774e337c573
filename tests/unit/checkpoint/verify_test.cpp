// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/verify.hpp"

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <filesystem>
#include <fmt/core.h>

#include "base/posix_file.hpp"
#include "hdf5/hdf5.hpp"
#include "support/first_block.hpp"
#include "unit/checkpoint/sample_file.hpp"

namespace tessera::checkpoint {
namespace {

constexpr Limits kLimits{std::uint64_t{256} << 20, 2, 20};

/// All problems in one text, from both ways to verify, which must agree.
std::string problems_of(const std::string& path, Condition condition, const Inspection& inspect = {}) {
  std::string texts[2];
  const Verdict verdicts[] = {verify(path, inspect), verify_guarded(path, inspect, kLimits)};
  for (int way = 0; way < 2; ++way) {
    BOOST_TEST(name_of(verdicts[way].condition) == name_of(condition));
    for (const Problem& problem : verdicts[way].problems) texts[way] += problem.dataset + " " + problem.text + "\n";
  }
  BOOST_TEST(texts[0] == texts[1]);
  return texts[0];
}

void expect(const std::string& text, const std::string& part) {
  BOOST_TEST(text.find(part) != std::string::npos, "no '" << part << "' in: " << text);
}

void flip(const std::string& path, std::uint64_t at) {
  unsigned char byte = 0;
  base::PosixFile::open_read(path).read_at(at, &byte, 1);
  byte ^= 4;
  base::PosixFile::open_write(path).write_at(at, &byte, 1);
}

BOOST_FIXTURE_TEST_CASE(a_sound_file_is_sound_in_either_process, SampleFile) {
  for (const Verdict& verdict : {verify(path), verify_guarded(path, {}, kLimits)}) {
    BOOST_TEST((verdict.condition == Condition::sound));
    BOOST_TEST(verdict.problems.empty());
    BOOST_TEST(verdict.step == 8);
    BOOST_TEST(verdict.num_tensors == 15);
    BOOST_TEST(verdict.file_bytes == std::filesystem::file_size(path));
  }
}

BOOST_FIXTURE_TEST_CASE(every_damaged_dataset_is_named, SampleFile) {
  {
    const FileReader file(path);
    for (const char* name : {"/model/blocks.3.bias", "/optimizer/v/embedding"}) {
      const FileReader::Tensor* tensor = file.find(name);
      BOOST_REQUIRE(tensor);
      flip(path, tensor->offset + 9);
    }
  }
  BOOST_TEST(problems_of(path, Condition::damaged) ==
             "/model/blocks.3.bias has a wrong checksum\n/optimizer/v/embedding has a wrong checksum\n");
  BOOST_TEST((verify(path, {}, Depth::metadata).condition == Condition::sound));
}

BOOST_FIXTURE_TEST_CASE(each_kind_of_trouble_has_its_message, SampleFile) {
  const std::string bytes = read_bytes(path);
  const auto of = [&](std::string changed, Condition condition = Condition::damaged) {
    write_bytes(path, changed);
    return problems_of(path, condition);
  };
  expect(of(bytes.substr(0, bytes.size() - 1)), "is cut short: it holds");
  expect(of(bytes.substr(0, 100)), "is cut short: it ends within its first block");
  expect(of(""), "is not a checkpoint of Tessera");
  expect(of(bytes + "x"), "is too long");
  expect(of(testing::with_format(bytes, format_version + 1), Condition::unreadable),
         "has format 4, this tessera reads up to 3: use a newer tessera");
  write_bytes(path, bytes);
  const std::string other = file_name(folder, 9);
  std::filesystem::rename(path, other);
  expect(problems_of(other, Condition::damaged), "is of step 8, not of the step in its name");
  expect(problems_of(path, Condition::unreadable), "does not exist");
}

BOOST_FIXTURE_TEST_CASE(a_foreign_hdf5_file_is_told_before_hdf5_opens_it, SampleFile) {
  const std::string foreign = folder + "/foreign.h5";
  hdf5::File::create(foreign).write_text("/text", "not ours");
  expect(problems_of(foreign, Condition::damaged), "is not a checkpoint of Tessera");
}

BOOST_FIXTURE_TEST_CASE(what_an_inspection_finds_is_damage, SampleFile) {
  const auto inspect = [](const FileReader& file) -> std::vector<Problem> {
    return {{"/run/config", fmt::format("has {} bytes", file.state().config.size())}};
  };
  BOOST_TEST(problems_of(path, Condition::damaged, inspect) == "/run/config has 35 bytes\n");
}

BOOST_FIXTURE_TEST_CASE(a_child_that_dies_is_a_verdict, SampleFile) {
  const auto end_of = [&](const Inspection& inspect) {
    const Verdict verdict = verify_guarded(path, inspect, kLimits);
    BOOST_TEST((verdict.condition == Condition::damaged));
    BOOST_REQUIRE(verdict.problems.size() == 1U);
    return verdict.problems.front().text;
  };
  expect(end_of([](const FileReader&) -> std::vector<Problem> {
           std::raise(SIGKILL);
           return {};
         }),
         "HDF5 could not read it within its limits (signal 9, Killed): damaged or hostile");
  expect(end_of([](const FileReader&) -> std::vector<Problem> { throw std::bad_alloc(); }),
         "within its limits (256.00 MiB of memory)");
  const Verdict slow = verify_guarded(path,
                                      [](const FileReader&) -> std::vector<Problem> {
                                        for (;;) ::pause();
                                      },
                                      {kLimits.memory_bytes, 2, 0.3});
  BOOST_TEST((slow.condition == Condition::unreadable));  // the disk may be slow
}

}  // namespace
}  // namespace tessera::checkpoint
