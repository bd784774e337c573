// SPDX-License-Identifier: Apache-2.0
#include "base/trace.hpp"

#include <boost/test/unit_test.hpp>

namespace tessera::testing {
namespace {

using base::Trace;
using base::TraceScope;

BOOST_AUTO_TEST_CASE(scopes_are_recorded_from_begin_to_end) {
  Trace trace;
  const base::Clock::time_point before = base::Clock::now();
  {
    const TraceScope outer(&trace, "step", "compute");
    const TraceScope inner(&trace, "a name longer than fits into a small string", "bubble");
  }
  const base::Clock::time_point after = base::Clock::now();
  BOOST_REQUIRE(trace.events().size() == 2u);
  const Trace::Event &inner = trace.events()[0], &outer = trace.events()[1];
  BOOST_TEST(inner.name == "a name longer than fits into a small string");
  BOOST_TEST(outer.name == "step");
  BOOST_TEST(std::string(inner.category) == "bubble");
  BOOST_TEST((before <= outer.begin && outer.begin <= inner.begin && inner.begin <= inner.end &&
              inner.end <= outer.end && outer.end <= after));
}

BOOST_AUTO_TEST_CASE(a_full_trace_counts_what_it_leaves_out) {
  Trace trace(3);
  for (int i = 0; i < 5; ++i) trace.add(std::to_string(i), "compute", {}, {});
  BOOST_TEST(trace.events().size() == 3u);
  BOOST_TEST(trace.events().back().name == "2");
  BOOST_TEST(trace.dropped() == 2u);
  trace.clear();
  BOOST_TEST(trace.dropped() == 0u);
  trace.add("again", "compute", {}, {});
  BOOST_TEST(trace.events().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_scope_without_a_trace_does_nothing) {
  const TraceScope scope(nullptr, "nothing", "compute");
}

}  // namespace
}  // namespace tessera::testing
