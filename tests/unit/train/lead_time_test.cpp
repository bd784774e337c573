// SPDX-License-Identifier: Apache-2.0
#include "train/lead_time.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "support/folder.hpp"
#include "train/lead_timer.hpp"

namespace tessera::train {
namespace {

BOOST_AUTO_TEST_CASE(a_stop_takes_the_slowest_step_and_save) {
  const LeadTime lead{1.1, 0.4, 0, 2.1};
  BOOST_TEST(lead.total_seconds() == 3.2, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(lead.describe() == "a stop takes up to 3.2 s: step 1.1, save 2.1");
  BOOST_TEST(lead.needed_seconds() == 5);  // 1.5 * 3.2, rounded up
  const LeadTime evaluates{1.1, 4.0, 0.5, 2.1};
  BOOST_TEST(evaluates.describe() == "a stop takes up to 6.6 s: evaluation 4.0, save in flight 0.50, save 2.1");
  BOOST_TEST((!LeadTime{1, 1, 0, 0}.is_known()));
  BOOST_TEST((!LeadTime{0, 0, 0, 1}.is_known()));
}

BOOST_AUTO_TEST_CASE(short_limits_are_warned_of_with_the_number_to_use) {
  const LeadTime lead{20, 0, 0, 100};
  BOOST_TEST(warnings(lead, {}).empty());
  BOOST_TEST(warnings(lead, {180, 180}).empty());
  const std::vector<std::string> both = warnings(lead, {179, 30});
  BOOST_REQUIRE(both.size() == 2u);
  BOOST_TEST(both[0].find("--signal=B:USR1@180, or export SBATCH_SIGNAL=B:USR1@180") != std::string::npos, both[0]);
  BOOST_TEST(both[0].find("comes 179 s before") != std::string::npos, both[0]);
  BOOST_TEST(both[1].find("only 30 s (KillWait)") != std::string::npos, both[1]);
  BOOST_TEST(both[1].find("should have 180 s") != std::string::npos, both[1]);
  BOOST_TEST(warnings({20, 0, 0, 0}, {1, 1}).empty());  // nothing is known of saves
}

struct Timer {
  testing::Folder folder;
  std::vector<std::string> said, warned;
  LeadTimer make(bool saves_beside, bool throttled, StopLimits limits = {}) {
    return LeadTimer({folder.path.string(), saves_beside, throttled, limits,
                      [this](const std::string& text) { said.push_back(text); },
                      [this](const std::string& text) { warned.push_back(text); }});
  }
};

BOOST_FIXTURE_TEST_CASE(evaluations_of_the_last_start_count_until_one_is_measured, Timer) {
  std::filesystem::create_directories(folder.path / "log");
  BOOST_REQUIRE(write_lead_time(folder.path.string(), {1, 30, 0, 2}));
  LeadTimer timer = make(false, false);
  timer.step(1);
  timer.save(2);
  BOOST_TEST(timer.lead().evaluation_seconds == 30);
  BOOST_TEST(read_lead_time(folder.path.string())->evaluation_seconds == 30);
  timer.evaluation(3);
  BOOST_TEST(timer.lead().evaluation_seconds == 3);
}

BOOST_FIXTURE_TEST_CASE(the_first_step_counts_only_while_it_is_alone, Timer) {
  LeadTimer timer = make(false, false);
  timer.step(9);
  BOOST_TEST(timer.lead().step_seconds == 9);
  timer.step(2);
  BOOST_TEST(timer.lead().step_seconds == 2);
  timer.step(3);
  timer.step(1);
  BOOST_TEST(timer.lead().step_seconds == 3);
  timer.evaluation(5);
  timer.evaluation(4);
  BOOST_TEST(timer.lead().evaluation_seconds == 5);
}

/// The save that a signal finds in flight has had the step in which it comes, unless it was throttled.
BOOST_FIXTURE_TEST_CASE(a_save_in_flight_counts_with_what_is_left_of_it, Timer) {
  for (const auto& [saves_beside, throttled, expected] :
       {std::tuple{false, false, 0.0}, std::tuple{true, false, 3.0}, std::tuple{true, true, 5.0}}) {
    LeadTimer timer = make(saves_beside, throttled);
    timer.step(2);
    timer.save(5);
    BOOST_TEST(timer.lead().in_flight_seconds == expected);
  }
}

BOOST_FIXTURE_TEST_CASE(it_is_told_after_the_first_save_and_kept_for_the_next_start, Timer) {
  {
    LeadTimer timer = make(false, false, {5, std::nullopt});
    timer.step(1);
    timer.save(1);
    timer.save(1.5);
    BOOST_TEST(said ==
                   std::vector<std::string>{
                       "a stop takes up to 2.0 s: step 1.0, save 1.0; signal at least 3 s before the end"},
               boost::test_tools::per_element());
    BOOST_TEST(warned.empty());
    timer.save(4);
    timer.save(6);
    BOOST_TEST(warned.size() == 1u);  // once a start
    timer.finish_begins();
    timer.finish_ended();
    BOOST_TEST(said.size() == 2u);
  }
  BOOST_TEST(read_lead_time(folder.path.string())->save_seconds == 6);
  warned.clear();
  make(false, false, {5, std::nullopt});
  BOOST_TEST(warned.size() == 1u);  // before anything is measured
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_not_known) {
  const testing::Folder folder;
  BOOST_TEST(!read_lead_time(folder.path.string()).has_value());
  write_lead_time(folder.path.string(), {1, 2, 3, 4});
  BOOST_TEST(read_lead_time(folder.path.string())->total_seconds() == 9);
  std::filesystem::resize_file(folder.path.string() + "/log/lead.json", 10);
  BOOST_TEST(!read_lead_time(folder.path.string()).has_value());
}

}  // namespace
}  // namespace tessera::train
