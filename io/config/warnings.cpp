// SPDX-License-Identifier: Apache-2.0
#include "config/warnings.hpp"

#include <fmt/core.h>

#include "config/layout.hpp"
#include "config/remedies.hpp"

namespace tessera::config {
namespace {

void uneven_heads(const Config& config, std::vector<std::string>& found) {
  const std::int64_t heads = config.model.heads, tensor = config.parallel.tensor;
  if (heads % tensor == 0) return;
  const std::int64_t busiest = (heads + tensor - 1) / tensor;
  const double mean = static_cast<double>(heads) / static_cast<double>(tensor);
  found.push_back(fmt::format(
      "model.heads = {} do not divide by parallel.tensor = {}: the busiest rank computes {} of them, {:.0f}% "
      "of the mean (even: tensor {})",
      heads, tensor, busiest, 100 * static_cast<double>(busiest) / mean, divisors_near(heads, tensor)));
}

/// An interleaved schedule always has as many micro-batches as stages: validate() refuses others.
void idle_stages(const Config& config, const Layout& layout, std::vector<std::string>& found) {
  const std::int64_t first = config.optim.first_batch(), stages = layout.pipeline;
  const std::int64_t micros = num_micro_batches(config, layout, first);
  if (micros == 0 || micros >= stages) return;
  const char* key = config.optim.batch_start > 0 ? "optim.batch_start" : "optim.batch";
  std::string idle;
  if (config.parallel.pipeline_schedule != "zero_bubble")
    idle = fmt::format(" {:.0f}% of a step",
                       100 * static_cast<double>(stages - 1) / static_cast<double>(micros + stages - 1));
  found.push_back(
      fmt::format("{} = {} makes {} micro-batch(es) of {} a data rank, fewer than parallel.pipeline = {}: ranks stand "
                  "idle{} (use a smaller optim.micro_batch, a larger batch or fewer stages)",
                  key, first, micros, config.optim.micro_batch, stages, idle));
}

void endless_warmup(const Config& config, std::vector<std::string>& found) {
  if (config.run.steps > 0 && config.optim.warmup > config.run.steps)
    found.push_back(fmt::format("optim.warmup = {} is longer than run.steps = {}: the run never reaches optim.lr = {}",
                                config.optim.warmup, config.run.steps, config.optim.lr));
}

}  // namespace

std::vector<std::string> warnings(const Config& config, int ranks) {
  std::vector<std::string> found;
  uneven_heads(config, found);
  idle_stages(config, layout_of(config, ranks), found);
  endless_warmup(config, found);
  return found;
}

}  // namespace tessera::config
