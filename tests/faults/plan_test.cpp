// SPDX-License-Identifier: Apache-2.0
#include "faults/plan.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <set>

namespace tessera::faults {
namespace {

BOOST_AUTO_TEST_CASE(steps_are_read_from_names_as_tessera_makes_them) {
  BOOST_TEST(step_in("/a/step-00000012.h5").value() == 12);
  BOOST_TEST(step_of_temporary("/a/step-00000012.h5.tmp").value() == 12);
  for (const char* other : {"/a/step-00000012.h5.tmp", "/a/step-.h5", "/a/step-1x.h5", "/a/step-00000012.h5.damaged",
                            "/step-00000012.h5/lock"})
    BOOST_TEST(!step_in(other), other);
  BOOST_TEST(!step_of_temporary("/a/step-00000012.h5"));
}

BOOST_AUTO_TEST_CASE(sixty_rounds_have_every_fault_and_point) {
  const std::vector<Round> rounds = deal(60, 3, 0);
  std::set<Fault> faults;
  std::set<Point> points;
  for (const Round& round : rounds) {
    faults.insert(round.fault);
    if (round.fault == Fault::kill_at_point) points.insert(round.point);
  }
  BOOST_TEST(rounds.size() == 60U);
  BOOST_TEST(faults.size() == fault_names.size());
  BOOST_TEST(points.size() == point_names.size());
}

BOOST_AUTO_TEST_CASE(five_hundred_rounds_kill_ten_times_at_every_point) {
  const std::vector<Round> rounds = deal(500, 1, 0);
  for (std::size_t point = 0; point < point_names.size(); ++point) {
    const auto is_there = [&](const Round& round) {
      return round.fault == Fault::kill_at_point && round.point == static_cast<Point>(point);
    };
    BOOST_TEST(std::count_if(rounds.begin(), rounds.end(), is_there) >= 10, point_names[point]);
  }
}

BOOST_AUTO_TEST_CASE(rounds_follow_from_the_seed) {
  const std::vector<Round> a = deal(40, 5, 2), b = deal(40, 5, 2), c = deal(40, 6, 2);
  const auto same = [](const Round& one, const Round& other) {
    return one.seed == other.seed && one.fault == other.fault && one.layout == other.layout;
  };
  BOOST_TEST(std::equal(a.begin(), a.end(), b.begin(), same));
  BOOST_TEST(!std::equal(a.begin(), a.end(), c.begin(), same));
  BOOST_TEST(std::all_of(a.begin(), a.end(), [](const Round& round) { return round.layout->ranks == 2; }));
  BOOST_CHECK_THROW(deal(1, 1, 7), std::invalid_argument);
}

}  // namespace
}  // namespace tessera::faults
