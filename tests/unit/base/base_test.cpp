// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <filesystem>
#include <unistd.h>

#include "base/error.hpp"
#include "base/philox.hpp"
#include "base/posix_file.hpp"
#include "base/units.hpp"

namespace tessera::testing {
namespace {

using namespace tessera::base;

struct KnownAnswer {
  std::uint32_t counter[4];
  PhiloxKey key;
  std::uint32_t expected[4];
};

// The known answers that the authors of Random123 publish for philox4x32-10.
constexpr KnownAnswer kKnownAnswers[] = {{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
                                         {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                                          {0xffffffff, 0xffffffff},
                                          {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
                                         {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                                          {0xa4093822, 0x299f31d0},
                                          {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};

BOOST_AUTO_TEST_CASE(philox_gives_the_published_answers) {
  for (const KnownAnswer& known : kKnownAnswers) {
    std::uint32_t out[4];
    philox4x32(known.key, known.counter[0], known.counter[1], known.counter[2], known.counter[3], out);
    for (int i = 0; i < 4; ++i) BOOST_TEST(out[i] == known.expected[i]);
  }
}

BOOST_AUTO_TEST_CASE(keys_of_neighbouring_seeds_and_streams_differ) {
  const PhiloxKey a = philox_key(1, RandomStream::init), b = philox_key(2, RandomStream::init),
                  c = philox_key(1, RandomStream::dropout);
  BOOST_TEST((a.k0 != b.k0 || a.k1 != b.k1));
  BOOST_TEST((a.k0 != c.k0 || a.k1 != c.k1));
  BOOST_TEST(random_u64(a, 5) != random_u64(a, 6));
  BOOST_TEST(random_u64(a, 5) == random_u64(a, 5));
}

BOOST_AUTO_TEST_CASE(uniform_and_normal_draws_have_their_moments) {
  const PhiloxKey key = philox_key(3, RandomStream::test);
  constexpr int n = 200'000;
  double uniform = 0, sum = 0, squares = 0, fourth = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    const double u = random_uniform(key, i);
    BOOST_REQUIRE((u >= 0.0 && u < 1.0));
    uniform += u;
    const double x = random_normal(key, 7, i);
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  const double root = std::sqrt(static_cast<double>(n));  // bounds: five standard deviations
  BOOST_TEST(std::abs(uniform / n - 0.5) < 5 * 0.2887 / root);
  BOOST_TEST(std::abs(sum / n) < 5 / root);
  BOOST_TEST(std::abs(squares / n - 1) < 5 * 1.4142 / root);
  BOOST_TEST(std::abs(fourth / n - 3) < 5 * 9.8 / root);
}

// Initial weights must have the same bits on every machine: this value was pinned on x86-64 with g++ 12.
BOOST_AUTO_TEST_CASE(normal_draws_keep_their_bits) {
  const PhiloxKey key = philox_key(1, RandomStream::init);
  std::uint64_t hash = 14695981039346656037ull;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    hash ^= std::bit_cast<std::uint32_t>(random_normal(key, i % 7, i));
    hash *= 1099511628211ull;
  }
  BOOST_TEST(hash == 2762176929996416915ull);
}

BOOST_AUTO_TEST_CASE(counts_sizes_and_times_are_parsed) {
  BOOST_TEST(parse_count("0") == 0);
  BOOST_TEST(parse_count("2e4") == 20'000);
  BOOST_TEST(parse_count("300B") == 300'000'000'000);
  BOOST_TEST(parse_count("1.5M") == 1'500'000);
  BOOST_TEST(parse_count("20k") == 20'000);
  BOOST_TEST(parse_bytes("64MiB") == 64 << 20);
  BOOST_TEST(parse_bytes("2GB") == 2'000'000'000);
  BOOST_TEST(parse_seconds("90") == 90.0);
  BOOST_TEST(parse_seconds("5m") == 300.0);
  BOOST_TEST(parse_seconds("1.5d") == 129'600.0);
  for (const char* bad :
       {"", "x", "1.5", "10 apples", "1e30", "9223372036854775808", "nan", "inf", "1k2", "-4", "--3", " 4"})
    BOOST_CHECK_THROW(parse_count(bad), UsageError);
  for (const char* bad : {"", "12XB", "MiB", "1e40GB"}) BOOST_CHECK_THROW(parse_bytes(bad), UsageError);
  for (const char* bad : {"", "h", "5 m", "1y", "nan"}) BOOST_CHECK_THROW(parse_seconds(bad), UsageError);
}

BOOST_AUTO_TEST_CASE(numbers_are_written_for_people) {
  BOOST_TEST(format_bytes(12) == "12 B");
  BOOST_TEST(format_bytes(std::uint64_t{3} << 29) == "1.50 GiB");
  BOOST_TEST(format_count(124439808) == "124,439,808");
  BOOST_TEST(format_count(0) == "0");
  BOOST_TEST(format_short(175e9) == "175B");
  BOOST_TEST(format_short(1234) == "1.23k");
  BOOST_TEST(format_seconds(3720) == "1h02m");
  BOOST_TEST(format_seconds(200) == "3m20s");
  BOOST_TEST(format_seconds(12) == "12s");
}

BOOST_AUTO_TEST_CASE(a_file_is_replaced_as_a_whole_or_not_at_all) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("tessera_base_" + std::to_string(::getpid()));
  fs::create_directories(folder / "in_the_way");
  const std::string path = (folder / "file").string();
  for (const std::string content : {"first, and long", "second"}) {
    base::replace_file(path, content);
    std::string read(content.size(), '\0');
    const base::PosixFile file = base::PosixFile::open_read(path);
    BOOST_TEST(file.size_bytes() == content.size());
    file.read_at(0, read.data(), read.size());
    BOOST_TEST(read == content);
  }
  BOOST_CHECK_THROW(base::replace_file((folder / "in_the_way").string(), "x"), base::Error);
  BOOST_CHECK_THROW(base::replace_file((folder / "absent/file").string(), "x"), base::Error);
  BOOST_TEST(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 2);  // nothing temporary
  fs::remove_all(folder);
}

}  // namespace
}  // namespace tessera::testing
