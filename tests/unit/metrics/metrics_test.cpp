// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.hpp"
#include "metrics/metrics_file.hpp"
#include "metrics/process_memory.hpp"

namespace tessera::testing {
namespace {

namespace fs = std::filesystem;

struct Path {
  std::string path = (fs::temp_directory_path() / ("tessera_metrics_" + std::to_string(::getpid()))).string();
  ~Path() { fs::remove(path); }
  std::string text() const {
    std::ifstream file(path);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
  }
};

json::Json line(std::int64_t step) {
  json::Json object{json::Object{}};
  object.set("step", step).set("loss", 1.5);
  return object;
}

BOOST_AUTO_TEST_CASE(lines_are_there_as_soon_as_they_are_written) {
  const Path file;
  metrics::MetricsFile metrics(file.path);
  metrics.resume_at(0);
  metrics.append(line(1));
  BOOST_TEST(file.text() == "{\"step\":1,\"loss\":1.5}\n");
}

BOOST_AUTO_TEST_CASE(resuming_drops_what_will_be_computed_again_and_what_was_cut) {
  const Path file;
  std::ofstream(file.path) << line(1).dump() << '\n'
                           << line(2).dump() << "\n{\"step\":2,\"valid_loss\":3}\n"
                           << line(3).dump() << "\n{\"step\":4,\"lo";
  metrics::MetricsFile metrics(file.path);
  metrics.resume_at(2);
  metrics.append(line(3));
  BOOST_TEST(file.text() ==
             line(1).dump() + "\n" + line(2).dump() + "\n{\"step\":2,\"valid_loss\":3}\n" + line(3).dump() + "\n");
}

/// A crash between the lines of two held-out files leaves one of them: both come anew.
BOOST_AUTO_TEST_CASE(an_evaluation_that_is_not_complete_is_dropped) {
  const std::string first = line(1).dump() + "\n" + "{\"step\":1,\"valid_file\":\"a\",\"file_loss\":3}\n";
  const std::string complete = "{\"step\":1,\"valid_loss\":3}\n", second = line(2).dump() + "\n";
  for (const bool is_complete : {false, true}) {
    const Path file;
    std::ofstream(file.path) << first + (is_complete ? complete : "") + second;
    metrics::MetricsFile metrics(file.path);
    metrics.resume_at(1);
    BOOST_TEST(metrics.has_evaluation() == is_complete);
    BOOST_TEST(file.text() == (is_complete ? first + complete : line(1).dump() + "\n"));
  }
  const Path file;
  std::ofstream(file.path) << first + complete + second;
  metrics::MetricsFile later(file.path);
  later.resume_at(2);
  BOOST_TEST(!later.has_evaluation());  // that of step 1 is another
  BOOST_TEST(file.text() == first + complete + second);
}

BOOST_AUTO_TEST_CASE(a_last_line_without_its_end_gets_one) {
  const Path file;
  std::ofstream(file.path) << line(1).dump();
  metrics::MetricsFile metrics(file.path);
  metrics.resume_at(1);
  metrics.append(line(2));
  BOOST_TEST(file.text() == line(1).dump() + "\n" + line(2).dump() + "\n");
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_written_is_named) {
  metrics::MetricsFile metrics("/absent/metrics.jsonl");
  BOOST_CHECK_EXCEPTION(metrics.resume_at(0), base::UsageError, [](const base::UsageError& error) {
    return std::string(error.what()).find("/absent/metrics.jsonl") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(peak_memory_sees_an_allocation) {
  const std::int64_t before = metrics::peak_memory_bytes();
  BOOST_TEST(before > 0);
  constexpr std::size_t size = 64 << 20;  // mapped, as an allocator may keep what is freed
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  BOOST_REQUIRE(memory != MAP_FAILED);
  std::memset(memory, 1, size);
  ::munmap(memory, size);
  BOOST_TEST(metrics::peak_memory_bytes() >= before + (60 << 20));
  metrics::reset_peak_memory();
  BOOST_TEST(metrics::peak_memory_bytes() < before + (60 << 20));
}

}  // namespace
}  // namespace tessera::testing
