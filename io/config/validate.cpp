// SPDX-License-Identifier: Apache-2.0
#include "config/validate.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/error.hpp"
#include "config/layout_rules.hpp"
#include "config/options.hpp"
#include "config/remedies.hpp"

namespace tessera::config {
namespace {

void check_model(const ModelConfig& model, std::vector<Problem>& problems) {
  if (model.hidden % model.heads != 0)
    problems.push_back(
        {"model.heads", fmt::format("model.heads = {} must divide model.hidden = {}: use {}", model.heads, model.hidden,
                                    divisors_near(model.hidden, model.heads))});
}

/// Bytes must fit into 64 bits wherever they are added up. Estimates: the plan of the memory counts exactly.
void check_size(const Config& config, std::vector<Problem>& problems) {
  constexpr double kMostParameters = 1e15, kMostActivationBytes = 1e18, kMostAutoTokens = 8192;
  const auto layers = static_cast<double>(config.model.layers), hidden = static_cast<double>(config.model.hidden),
             context = static_cast<double>(config.model.context), vocab = static_cast<double>(config.model.vocab);
  const double parameters = layers * 12 * hidden * hidden + (2 * vocab + context) * hidden;
  if (parameters > kMostParameters)
    problems.push_back(
        {"model.hidden",
         fmt::format("model.layers = {}, model.hidden = {} and model.vocab = {} make about {:.0e} "
                     "parameters, more than {:.0e}: use a smaller model",
                     config.model.layers, config.model.hidden, config.model.vocab, parameters, kMostParameters)});
  const auto micro = static_cast<double>(config.optim.micro_batch);
  const double tokens = micro > 0 ? micro * context : std::max(context, kMostAutoTokens);
  const double bytes = tokens * 4 * (layers * 40 * hidden + 2 * vocab);
  if (bytes > kMostActivationBytes)
    problems.push_back(
        {"optim.micro_batch", fmt::format("micro-batches of {:.0e} tokens need about {:.0e} bytes of activations, more "
                                          "than {:.0e}: lower optim.micro_batch, model.context or the model's size",
                                          tokens, bytes, kMostActivationBytes)});
}

void check_attention(const ModelConfig& model, std::vector<Problem>& problems) {
  if (model.attention == "alternating" && model.window == 0)
    problems.push_back(
        {"model.window",
         "model.window = 0, but model.attention = alternating needs the width of its banded layers: use, "
         "for example, 256"});
  if (model.attention == "dense" && model.window > 0)
    problems.push_back(
        {"model.window", fmt::format("model.window = {} has no use with model.attention = dense: drop it, "
                                     "or use alternating",
                                     model.window)});
}

void check_data(const DataConfig& data, std::vector<Problem>& problems) {
  if (!data.valid.empty() && data.valid_fraction > 0)
    problems.push_back({"data.valid_fraction",
                        fmt::format("data.valid_fraction = {} holds out a part of data.train, but data.valid = '{}' is "
                                    "given too: drop one of the two",
                                    data.valid_fraction, data.valid)});
}

void check_optim(const OptimConfig& optim, std::vector<Problem>& problems) {
  if (optim.min_lr > optim.lr)
    problems.push_back({"optim.min_lr", fmt::format("optim.min_lr = {} must not be above optim.lr = {}: set both",
                                                    optim.min_lr, optim.lr)});
}

void check_schedule(const OptimConfig& optim, std::int64_t steps, std::vector<Problem>& problems) {
  if (optim.lr_schedule != "wsd" || steps == 0) return;
  const double decay = optim.decay * static_cast<double>(steps);
  if (static_cast<double>(optim.warmup) + decay > static_cast<double>(steps))
    problems.push_back(
        {"optim.decay",
         fmt::format("optim.decay = {} of run.steps = {} and optim.warmup = {} overlap: lower one of the "
                     "two, or raise run.steps",
                     optim.decay, steps, optim.warmup)});
}

/// Every batch of a ramp is a multiple of the first: whatever divides that one divides all.
void check_ramp(const OptimConfig& optim, std::vector<Problem>& problems) {
  const std::int64_t batch = optim.batch, start = optim.batch_start;
  if (start > 0 && batch > 0 && (start >= batch || batch % start != 0))
    problems.push_back(
        {"optim.batch_start",
         fmt::format("optim.batch_start = {} must be smaller than optim.batch = {} and divide it: use {}", start, batch,
                     start >= batch ? "a small part of it" : divisors_near(batch, start))});
  if (start > 0 && optim.batch_ramp == 0)
    problems.push_back(
        {"optim.batch_ramp",
         fmt::format("optim.batch_ramp = 0, but optim.batch_start = {} needs the tokens over which the batch grows: "
                     "use, for example, 1% of the run's",
                     start)});
  if (start == 0 && optim.batch_ramp > 0)
    problems.push_back({"optim.batch_ramp",
                        fmt::format("optim.batch_ramp = {} has no use without optim.batch_start: drop it, or set the "
                                    "batch to start with",
                                    optim.batch_ramp)});
}

/// Steps, batches and contexts may each be large, but their product counts tokens in 64 bits.
void check_tokens(const Config& config, std::vector<Problem>& problems) {
  const double tokens = static_cast<double>(config.run.steps) * static_cast<double>(config.optim.batch) *
                        static_cast<double>(config.model.context);
  if (tokens > 4e18)
    problems.push_back({"run.steps", fmt::format("run.steps = {} of optim.batch = {} x model.context = {} are {:.1e} "
                                                 "tokens, more than 4e18: use fewer steps",
                                                 config.run.steps, config.optim.batch, config.model.context, tokens)});
}

}  // namespace

std::vector<Problem> validate(const Config& config, int ranks) {
  std::vector<Problem> problems;
  check_model(config.model, problems);
  check_size(config, problems);
  check_attention(config.model, problems);
  check_data(config.data, problems);
  check_optim(config.optim, problems);
  check_tokens(config, problems);
  check_schedule(config.optim, config.run.steps, problems);
  check_ramp(config.optim, problems);
  check_layout(config, ranks, problems);
  return problems;
}

std::vector<Problem> missing_keys(const Config& config, const std::vector<std::string>& required) {
  std::vector<Problem> problems;
  for (const std::string& key : required) {
    const Option* option = find_option(key);
    const std::string value = option->get(config);
    if (value.empty() || value == "0")
      problems.push_back(
          {key, fmt::format("{} is missing: {}; set it in the file or as --{}=...", key, option->help, key)});
  }
  return problems;
}

void throw_if_any(const std::vector<Problem>& problems) {
  if (problems.empty()) return;
  if (problems.size() == 1) throw base::UsageError(problems.front().message);
  std::string text = fmt::format("{} problems:", problems.size());
  for (const Problem& problem : problems) text += "\n  " + problem.message;
  throw base::UsageError(text);
}

}  // namespace tessera::config
