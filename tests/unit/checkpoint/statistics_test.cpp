// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/statistics.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "unit/checkpoint/sample_file.hpp"

namespace tessera::checkpoint {
namespace {

/// Of a file with one tensor of these values.
Statistics statistics_of_values(const SampleFile& sample, const std::vector<float>& values) {
  const std::string path = sample.folder + "/one.h5";
  FileWriter writer(path, sample_state(1), {{"/model/x", {values.size()}}});
  writer.write("/model/x", 0, values);
  writer.publish();
  const FileReader file(path);
  const Statistics result = statistics_of(file, *file.find("/model/x"));
  BOOST_TEST(result.sum == file.find("/model/x")->sum);
  return result;
}

BOOST_FIXTURE_TEST_CASE(statistics_are_those_of_plain_loops, SampleFile) {
  const std::vector<float> values = sample_values(2 * FileReader::piece_elements + 3, 0.5);  // more than two pieces
  double total = 0, squares = 0;
  for (const double value : values) {
    total += value;
    squares += value * value;
  }
  const Statistics result = statistics_of_values(*this, values);
  BOOST_TEST(result.norm == std::sqrt(squares), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(result.mean == total / static_cast<double>(values.size()), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(result.least == *std::min_element(values.begin(), values.end()));
  BOOST_TEST(result.most == *std::max_element(values.begin(), values.end()));
  BOOST_TEST(result.num_nonfinite == 0);
}

BOOST_FIXTURE_TEST_CASE(values_that_are_no_numbers_are_counted_and_left_out, SampleFile) {
  const float infinite = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const Statistics some = statistics_of_values(*this, {nan, 3.0f, infinite, -4.0f, -infinite});
  BOOST_TEST(some.num_nonfinite == 3);
  BOOST_TEST(some.norm == 5.0);
  BOOST_TEST(some.mean == -0.5);
  BOOST_TEST(some.least == -4.0f);
  BOOST_TEST(some.most == 3.0f);
  const Statistics none = statistics_of_values(*this, {nan, nan});
  BOOST_TEST(none.num_nonfinite == 2);
  for (const double number : {none.norm, none.mean, double{none.least}, double{none.most}}) BOOST_TEST(number == 0.0);
}

BOOST_FIXTURE_TEST_CASE(the_sum_of_a_damaged_tensor_is_not_its_own, SampleFile) {
  const FileReader file(path);
  const FileReader::Tensor* tensor = file.find("/model/blocks.2.weight");
  BOOST_REQUIRE(tensor);
  const std::string before = statistics_of(file, *tensor).sum;
  const float changed = 0.25f;
  base::PosixFile::open_write(path).write_at(tensor->offset + 4 * 7, &changed, sizeof changed);
  BOOST_TEST(before == tensor->sum);
  BOOST_TEST(statistics_of(file, *tensor).sum != tensor->sum);
}

}  // namespace
}  // namespace tessera::checkpoint
