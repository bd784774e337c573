// SPDX-License-Identifier: Apache-2.0
// A table that cannot turn red proves nothing: each known mistake reddens the layouts that it concerns, and only those.
#include <algorithm>

#include "parity/selftest.hpp"

namespace tessera::testing {
namespace {

bool has(const std::string& layout, const std::string& part) {
  return layout.find(part) != std::string::npos;
}

/// Runs with the fault on two ranks: layouts fail where `concerned`, of the layout's name, says so.
template <class Concerned>
void reddens(const std::string& fault, Concerned concerned) {
  const ProcessResult result = selftest(2, "--break " + fault);
  BOOST_TEST(result.exit_code == 1, fault << ": exit code " << result.exit_code << "\n" << result.errors);
  std::size_t failed = 0, of_two_ranks = 0;
  for (const json::Json& layout : layouts_of(result)) {
    const std::string& name = layout.at("layout").as_string();
    const bool several = has(name, "data 2") || has(name, "pipeline 2") || has(name, "tensor 2");
    of_two_ranks += several ? 1 : 0;
    failed += passes(layout) ? 0 : 1;
    BOOST_TEST(passes(layout) == !(several && concerned(name)), fault << ": " << layout.dump());
    // And not by the bytes alone of a message that is missing.
    const auto difference = [&](const char* what) { return layout.at(what).as_double(); };
    const bool close = difference("gradient_difference") <= 1e-5 && difference("grad_norm_difference") <= 1e-4 &&
                       difference("loss_difference") <= 2e-6 && difference("weight_difference") <= 1e-4;
    BOOST_TEST(close == !(several && concerned(name)), fault << ": " << layout.dump());
  }
  BOOST_TEST(of_two_ranks == 9U);  // 3 zero stages, sequence parallelism on and off, 4 schedules
  BOOST_TEST_MESSAGE(fault << ": " << failed << " layouts fail");
}

BOOST_AUTO_TEST_CASE(a_bucket_that_is_not_summed_concerns_data_ranks) {
  reddens("gradient-bucket", [](const std::string& layout) { return has(layout, "data 2"); });
}
BOOST_AUTO_TEST_CASE(swapped_stages_concern_pipelines) {
  reddens("stage-swap", [](const std::string& layout) { return has(layout, "pipeline 2"); });
}
BOOST_AUTO_TEST_CASE(an_embedding_whose_ends_are_not_added_concerns_pipelines) {
  reddens("tied-embedding", [](const std::string& layout) { return has(layout, "pipeline 2"); });
}
BOOST_AUTO_TEST_CASE(partial_products_that_are_not_summed_concern_tensor_ranks) {
  reddens("partial-sum", [](const std::string& layout) { return has(layout, "tensor 2"); });
}
BOOST_AUTO_TEST_CASE(doubled_gradients_concern_all) {
  reddens("gradient-scale", [](const std::string&) { return true; });
}
BOOST_AUTO_TEST_CASE(parts_of_norm_gradients_that_are_not_added_concern_sequence_parallelism) {
  reddens("sequence-layernorm", [](const std::string& layout) { return has(layout, "sequence"); });
}
BOOST_AUTO_TEST_CASE(a_bias_of_every_rank_concerns_tensor_ranks) {
  reddens("row-bias", [](const std::string& layout) { return has(layout, "tensor 2"); });
}
/// Copies are at tensor ranks, of what they do not cut, and of the tied embedding at the last stage.
BOOST_AUTO_TEST_CASE(copies_that_count_in_the_norm_concern_tensor_ranks_and_pipelines) {
  reddens("norm-double-count",
          [](const std::string& layout) { return has(layout, "tensor 2") || has(layout, "pipeline 2"); });
}
BOOST_AUTO_TEST_CASE(masks_of_the_rank_concern_all) {
  reddens("dropout-rank", [](const std::string&) { return true; });
}

BOOST_AUTO_TEST_CASE(an_unknown_fault_is_refused_with_the_known_ones) {
  for (const int ranks : {1, 2}) {
    const ProcessResult result = selftest(ranks, "--break gradient");
    expect_error(result, 2, "--break = 'gradient' is no known fault");
    for (const std::string known : {"gradient-bucket", "stage-swap", "tied-embedding", "partial-sum", "gradient-scale",
                                    "sequence-layernorm", "row-bias", "norm-double-count", "dropout-rank"})
      expect_error(result, 2, known);
  }
}

}  // namespace
}  // namespace tessera::testing
