// SPDX-License-Identifier: Apache-2.0
#include "train/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.hpp"
#include "base/philox.hpp"

namespace tessera::train {

std::int32_t sample_token(std::span<const float> logits, const SamplingOptions& options, std::uint64_t stream,
                          std::uint64_t position) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](std::int32_t id) { return !std::isfinite(logits[static_cast<std::size_t>(id)]); });
  if (order.empty()) base::fail("the model's output is not finite: no next token can be drawn");
  const auto logit = [&](std::int32_t id) { return static_cast<double>(logits[static_cast<std::size_t>(id)]); };
  const auto likelier = [&](std::int32_t a, std::int32_t b) {
    return logit(a) != logit(b) ? logit(a) > logit(b) : a < b;
  };
  if (options.temperature <= 0) return *std::min_element(order.begin(), order.end(), likelier);

  std::sort(order.begin(), order.end(), likelier);
  if (options.top_k > 0 && options.top_k < static_cast<std::int64_t>(order.size()))
    order.resize(static_cast<std::size_t>(options.top_k));
  std::vector<double> weight(order.size());
  double total = 0;
  for (std::size_t i = 0; i < order.size(); ++i)
    total += weight[i] = std::exp((logit(order[i]) - logit(order[0])) / options.temperature);
  std::size_t kept = order.size();
  if (options.top_p < 1.0) {
    double sum = 0;
    for (kept = 0; kept < order.size() && sum < options.top_p * total; ++kept) sum += weight[kept];
    kept = std::max<std::size_t>(kept, 1);
    total = sum > 0 ? sum : weight[0];
  }
  const double draw =
      total * base::random_uniform(base::philox_key(options.seed, base::RandomStream::sampling), position, stream);
  double sum = 0;
  for (std::size_t i = 0; i < kept; ++i)
    if ((sum += weight[i]) > draw) return order[i];
  return order[kept - 1];
}

}  // namespace tessera::train
