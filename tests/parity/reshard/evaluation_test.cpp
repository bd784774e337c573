// SPDX-License-Identifier: Apache-2.0
// Polls between the windows of an evaluation change none of its bits, and end it on all ranks alike.
#include <bit>
#include <boost/test/unit_test.hpp>
#include <cstdint>

#include "parity/reshard/token_folder.hpp"
#include "train/evaluate.hpp"
#include "train/layouts.hpp"
#include "train/replica.hpp"

namespace tessera::testing {
namespace {

using train::ParityCase;

ParityCase layout(comm::MeshShape mesh, const char* schedule, std::int64_t virtual_stages) {
  ParityCase one;
  one.mesh = mesh;
  one.parallel.tensor = mesh.tensor;
  one.parallel.pipeline = mesh.pipeline;
  one.parallel.pipeline_schedule = schedule;
  one.parallel.virtual_stages = virtual_stages;
  return one;
}

BOOST_FIXTURE_TEST_CASE(polls_change_no_bit, TokenFolder) {
  const train::TokenRange held_out{tokens.file, 0, 3001};
  for (const ParityCase& one : {layout({8, 1, 1}, "1f1b", 1), layout({2, 2, 2}, "zero_bubble", 1),
                                layout({2, 4, 1}, "1f1b", 1), layout({1, 4, 2}, "interleaved", 2)}) {
    tensor::Device device(1);
    const comm::Mesh mesh(world(), one.mesh);
    train::Replica replica(mesh, device, one.config(), tokens);
    const config::Config& config = replica.config();
    train::EvaluationSettings settings{config.model.context, config.optim.micro_batch, -1,
                                       model::schedule_of(config, one.mesh.pipeline, 1)};
    const auto evaluate = [&] {
      return train::evaluate(mesh, replica.runner(), replica.stage(), held_out, settings, 0);
    };
    const double at_once = evaluate().value().loss;
    BOOST_TEST_CONTEXT(one.name()) {
      for (const int between : {1, 3, 100'000}) {
        int polls = 0;
        settings.micro_batches_between_polls = between;
        settings.is_abandoned = [&] { return ++polls < 0; };
        BOOST_TEST(std::bit_cast<std::uint64_t>(evaluate().value().loss) == std::bit_cast<std::uint64_t>(at_once));
        BOOST_TEST((polls > 0) == (between < 100'000));
        BOOST_TEST(world().max(polls, "polls") == polls);
      }
      int polls = 0;
      settings.micro_batches_between_polls = 2;
      settings.is_abandoned = [&] { return ++polls == 3; };
      BOOST_TEST(!evaluate().has_value());
      BOOST_TEST(polls == 3);
    }
  }
}

}  // namespace
}  // namespace tessera::testing
