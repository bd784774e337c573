// SPDX-License-Identifier: Apache-2.0
// What a pipeline's runner tells of its time: actions and waits in a trace, and the idle share of a step.
#include "pipeline/bubble.hpp"

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/trace.hpp"
#include "mpi/world.hpp"

namespace tessera::testing {
namespace {

using base::Trace;
using pipeline::Action;
using std::chrono::seconds;

constexpr int kMicro = 4;

/// Computes nothing, but every forward awaits a message of another group, as sums of the tensor axis are awaited.
class EmptyStage : public pipeline::Stage {
 public:
  explicit EmptyStage(const comm::Communicator& other_axis) : other_axis_(&other_axis) {}
  int slots(int) const override { return kMicro; }
  int message_slots(int) const override { return kMicro; }
  std::span<float> input(int, int micro) override { return at(inputs_, micro); }
  std::span<float> output(int, int micro) override { return at(outputs_, micro); }
  std::span<float> gradient(int, int micro) override { return at(gradients_, micro); }
  void run(const Action& action) override {
    if (action.work != pipeline::Work::forward) return;
    float received = 0;
    const float sent = 1;
    comm::Request receive = other_axis_->ireceive<float>({&received, 1}, 0, 0);
    comm::Request send = other_axis_->isend<float>({&sent, 1}, 0, 0);
    other_axis_->wait(receive, "sum");
    other_axis_->wait(send, "sum");
  }

 private:
  static std::span<float> at(std::array<float, kMicro>& values, int micro) {
    return {&values[static_cast<std::size_t>(micro)], 1};
  }
  const comm::Communicator* other_axis_;
  std::array<float, kMicro> inputs_{}, outputs_{}, gradients_{};
};

BOOST_AUTO_TEST_CASE(actions_and_waits_are_recorded_once) {
  const comm::Communicator stages = world().split(0);
  const int P = stages.size();
  const comm::Communicator alone = stages.split(stages.rank());  // each rank sends to itself
  EmptyStage stage(alone);
  pipeline::Runner runner(stages, 1);
  Trace trace;
  stages.set_trace(&trace);
  runner.set_trace(&trace);
  for (const pipeline::ScheduleKind kind :
       {pipeline::ScheduleKind::one_forward_one_backward, pipeline::ScheduleKind::zero_bubble}) {
    trace.clear();
    const std::vector<Action> list = pipeline::actions({kind, P, kMicro}, stages.rank());
    runner.run(stage, list);
    std::multiset<std::string> names;
    double busy = 0;
    for (const Trace::Event& event : trace.events()) {
      const std::string category = event.category;
      const auto inside = [&](const Trace::Event& outer) {
        return std::string(outer.category) == "compute" && outer.begin <= event.begin && event.end <= outer.end;
      };
      if (category == "compute") {
        names.insert(event.name);
        busy += std::chrono::duration<double>(event.end - event.begin).count();
      } else {
        // A wait in an action is no bubble, and a bubble is in no action.
        const bool nested = std::any_of(trace.events().begin(), trace.events().end(), inside);
        BOOST_TEST(category == (nested ? "communication" : "bubble"), event.name);
        BOOST_TEST((event.name == "sum") == nested);
      }
    }
    BOOST_TEST(names.size() == list.size());
    const bool split = kind == pipeline::ScheduleKind::zero_bubble;
    for (const std::string& work : split ? std::vector<std::string>{"forward ", "input gradient ", "weight gradient "}
                                         : std::vector<std::string>{"forward ", "backward "})
      for (int micro = 0; micro < kMicro; ++micro) BOOST_TEST(names.count(work + std::to_string(micro)) == 1u);
    BOOST_TEST(std::abs(runner.last_run().busy_seconds - busy) <= 1e-9 * kMicro * 3);
  }
  runner.set_trace(nullptr);
  stages.set_trace(nullptr);
}

/// Stage r works 1000 s from r * 1000 s on; then all work all of the time; then a quarter of it. Clocks are known to a
/// second on the busiest machine.
BOOST_AUTO_TEST_CASE(the_span_is_that_of_all_stages) {
  const comm::Communicator& ranks = world();
  ranks.barrier("meeting");
  const auto met = base::Clock::now();
  const auto begin = met + seconds(1000 * ranks.rank());
  const std::vector<double> shares = pipeline::idle_shares(
      ranks,
      {{begin, begin + seconds(1000), 1000.0}, {met, met + seconds(1000), 1000.0}, {met, met + seconds(1000), 250.0}});
  BOOST_REQUIRE(shares.size() == 3u);
  const double P = ranks.size();
  BOOST_TEST(std::abs(shares[0] - (P - 1) / P) < 2e-3);
  BOOST_TEST(std::abs(shares[1]) < 2e-3);
  BOOST_TEST(std::abs(shares[2] - 0.75) < 2e-3);
}

}  // namespace
}  // namespace tessera::testing
