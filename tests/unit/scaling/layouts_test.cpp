// SPDX-License-Identifier: Apache-2.0
#include "scaling/layouts.hpp"

#include <boost/test/unit_test.hpp>

#include "base/error.hpp"
#include "unit/scaling/fixture.hpp"

namespace tessera::scaling {
namespace {

using Texts = std::vector<std::string>;

/// Whether `text` is refused with `part` in the message.
bool refuses(const std::string& text, const std::string& part) {
  try {
    parse_layouts(text);
  } catch (const base::UsageError& error) {
    return std::string(error.what()).find(part) != std::string::npos;
  }
  return false;
}

BOOST_AUTO_TEST_SUITE(layouts)

BOOST_AUTO_TEST_CASE(layouts_are_read_and_named) {
  const std::vector<Layout> layouts = parse_layouts("tensor=2; zero=1, pipeline=2 ;optim.micro_batch=4;recompute=full");
  BOOST_TEST(labels(layouts) == (Texts{"tensor=2", "zero=1,pipeline=2", "micro_batch=4", "recompute=full"}),
             boost::test_tools::per_element());
  BOOST_TEST(layouts[1].keys.front().first == "parallel.zero");
  BOOST_TEST(layouts[3].keys.front().first == "run.recompute");
  BOOST_TEST(label({}, 4) == "data=4");
  BOOST_TEST(label(layouts[0], 4) == "data=2,tensor=2");
  BOOST_TEST(label(layouts[1], 3) == "zero=1,pipeline=2");  // does not fit
  BOOST_TEST(label(layouts[2], 1) == "micro_batch=4");
  BOOST_TEST(label(parse_layouts("data=2,pipeline=2").front(), 4) == "data=2,pipeline=2");
}

BOOST_AUTO_TEST_CASE(what_is_no_layout_is_refused) {
  BOOST_TEST(refuses("", "names none"));
  BOOST_TEST(refuses("tensor", "key=value"));
  BOOST_TEST(refuses("lr=1", "'lr' is no key of a layout"));
  BOOST_TEST(refuses("tensor=two", "parallel.tensor = 'two'"));
  BOOST_TEST(refuses("tensor=2,parallel.tensor=4", "twice"));
}

BOOST_AUTO_TEST_CASE(a_layout_replaces_that_of_the_configuration) {
  config::Config config = small_question().config;
  config.parallel.pipeline = 2;
  config.parallel.data = "4";
  config.parallel.wire = "bf16";
  config.optim.batch_start = 2;
  config.optim.batch_ramp = 100;
  const config::Config applied = apply(config, parse_layouts("tensor=2").front(), 24, 3);
  BOOST_TEST(applied.parallel.tensor == 2);
  BOOST_TEST(applied.parallel.pipeline == 1);
  BOOST_TEST(applied.parallel.data == "auto");
  BOOST_TEST(applied.parallel.wire == "bf16");  // how messages travel is no part of it
  BOOST_TEST(applied.optim.batch == 24);
  BOOST_TEST(applied.optim.batch_start == 0);
  BOOST_TEST(applied.optim.batch_ramp == 0);
  BOOST_TEST(applied.run.threads == "3");
}

BOOST_AUTO_TEST_CASE(candidates_are_valid_and_begin_with_the_likeliest) {
  const config::Config config = small_question().config;  // 2 layers, 2 heads
  BOOST_TEST(labels(candidate_layouts(config, 4, 4, 8, 9), 4) ==
                 (Texts{"data=4", "data=4,zero=1", "data=2,tensor=2", "data=2,pipeline=2", "tensor=2,pipeline=2"}),
             boost::test_tools::per_element());
  BOOST_TEST(labels(candidate_layouts(config, 4, 4, 8, 2), 4) == (Texts{"data=4", "data=4,zero=1"}),
             boost::test_tools::per_element());
  // 2 sequences do not feed 4 data ranks.
  BOOST_TEST(labels(candidate_layouts(config, 4, 4, 2, 9), 4) ==
                 (Texts{"data=2,tensor=2", "data=2,pipeline=2", "tensor=2,pipeline=2"}),
             boost::test_tools::per_element());
  // Tensor ranks stay on a node.
  BOOST_TEST(labels(candidate_layouts(config, 2, 1, 8, 9), 2) == (Texts{"data=2", "data=2,zero=1", "pipeline=2"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_layout_of_the_configuration_comes_first) {
  config::Config config = small_question().config;
  config.parallel.tensor = 2;
  config.parallel.sequence = true;
  BOOST_TEST(labels(candidate_layouts(config, 2, 2, 8, 2), 2) == (Texts{"tensor=2,sequence=true", "data=2"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(one_rank_tries_micro_batches_around_the_automatic_one) {
  config::Config config = small_question().config;
  BOOST_TEST(labels(single_rank_layouts(config, 8, 9)) ==
                 (Texts{"micro_batch=8", "micro_batch=4", "micro_batch=2", "micro_batch=1"}),
             boost::test_tools::per_element());
  config.model.context = 4096;  // two sequences at once
  BOOST_TEST(labels(single_rank_layouts(config, 8, 9)) == (Texts{"micro_batch=2", "micro_batch=1", "micro_batch=4"}),
             boost::test_tools::per_element());
  config.optim.micro_batch = 8;
  config.run.recompute = "full";
  BOOST_TEST(labels(single_rank_layouts(config, 8, 3)) ==
                 (Texts{"micro_batch=8", "micro_batch=2", "micro_batch=2,recompute=none"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::scaling
