// SPDX-License-Identifier: Apache-2.0
// Files that were made to pass every check before HDF5 opens them: a child process meets them, and the caller lives.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <iostream>
#include <map>
#include <random>

#include "base/stopwatch.hpp"
#include "checkpoint/user_block.hpp"
#include "checkpoint/verify.hpp"
#include "unit/checkpoint/hdf5_checksums.hpp"
#include "unit/checkpoint/sample_file.hpp"

namespace tessera::checkpoint {
namespace {

/// Changes HDF5's part of a sound file, and makes the checksums of the first block right again.
class Forger {
 public:
  Forger(std::string sound, const UserBlock& block, std::uint64_t seed)
      : sound_(std::move(sound)), block_(block), spans_(find_guarded_spans(sound_)), random_(seed) {}

  const std::vector<GuardedSpan>& spans() const { return spans_; }

  /// Every other file gets HDF5's own checksums repaired too, so that it acts on what was changed.
  void write(const std::string& path, int number) {
    std::string file = sound_;
    const bool repairs = number % 2 == 0;
    for (std::uint64_t changes = 1 + below(3); changes > 0; --changes) {
      const GuardedSpan& span = spans_[below(spans_.size())];
      change(file, span);
      if (repairs) repair(file, span);
    }
    write_bytes(path, file);
    write_user_block(path, block_.step, block_.block_bytes, block_.tensors);
  }

 private:
  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(random_);
  }

  void put(std::string& file, std::size_t at, std::uint64_t value, std::size_t size_bytes) const {
    std::memcpy(file.data() + at, &value, std::min(size_bytes, file.size() - at));
  }

  std::uint64_t any_length() {
    const std::uint64_t lengths[] = {0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0xffffffff, ~std::uint64_t{0}, random_()};
    return lengths[below(std::size(lengths))];
  }

  std::uint64_t any_offset() {
    const std::uint64_t within = below(sound_.size());
    const GuardedSpan& other = spans_[below(spans_.size())];  // addresses count from behind the first block
    const std::uint64_t offsets[] = {within,
                                     other.first - block_.block_bytes,
                                     sound_.size(),
                                     std::uint64_t{1} << 40,
                                     std::uint64_t{1} << 63,
                                     ~std::uint64_t{0},
                                     random_()};
    return offsets[below(std::size(offsets))];
  }

  void change(std::string& file, const GuardedSpan& span) {
    const std::size_t at = span.first + below(span.end - span.first);
    switch (below(4)) {
      case 0:
        file[at] = static_cast<char>(file[at] ^ (1 << below(8)));
        return;
      case 1:
        file[at] = static_cast<char>(random_());
        return;
      case 2:
        put(file, at, any_length(), std::size_t{1} << below(4));
        return;
      default:
        put(file, at, any_offset(), 8);
    }
  }

  std::string sound_;
  UserBlock block_;
  std::vector<GuardedSpan> spans_;
  std::mt19937_64 random_;
};

/// "signal 11, Segmentation fault" of a verdict about a child's end; else whether it is sound or damaged.
std::string outcome_of(const Verdict& verdict) {
  if (verdict.condition == Condition::sound) return "sound";
  const std::string& text = verdict.problems.front().text;
  const std::size_t limits = text.find("within its limits (");
  return limits == std::string::npos ? name_of(verdict.condition) : text.substr(limits, text.find(')') - limits + 1);
}

BOOST_FIXTURE_TEST_CASE(a_thousand_files_forged_for_hdf5_harm_the_child_alone, SampleFile) {
  if (!limits_memory()) {
    std::cout << "SKIPPED: without a limit on address space, which AddressSanitizer needs, HDF5 may take all memory\n";
    return;
  }
  constexpr int kFiles = 1000;
  constexpr Limits kLimits{std::uint64_t{256} << 20, 2, 4};
  Forger forger(read_bytes(path), read_user_block(path), 20261126);
  BOOST_TEST(forger.spans().size() > 20U);  // heads of objects, heap and tree of a group
  std::map<std::string, int> outcomes;
  double slowest = 0;
  for (int number = 0; number < kFiles; ++number) {
    forger.write(path, number);
    BOOST_REQUIRE_NO_THROW(read_user_block(path));  // HDF5 is next
    const auto start = base::Clock::now();
    const Verdict verdict = verify_guarded(path, {}, kLimits);
    slowest = std::max(slowest, base::seconds_since(start));
    BOOST_TEST((verdict.condition == Condition::sound) == verdict.problems.empty());
    ++outcomes[outcome_of(verdict)];
  }
  BOOST_TEST(outcomes["sound"] < kFiles / 2);
  BOOST_TEST(outcomes["damaged"] > kFiles / 2);
  std::cout << kFiles << " forged files, the slowest took " << slowest << " s:\n";
  for (const auto& [outcome, count] : outcomes) std::cout << "  " << count << " " << outcome << "\n";
}

}  // namespace
}  // namespace tessera::checkpoint
