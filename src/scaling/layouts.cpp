// SPDX-License-Identifier: Apache-2.0
#include "scaling/layouts.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <sstream>

#include "base/error.hpp"
#include "config/options.hpp"
#include "config/remedies.hpp"
#include "config/validate.hpp"
#include "train/setup.hpp"

namespace tessera::scaling {
namespace {

/// What shares out ranks. Other keys of [parallel] say how messages travel.
constexpr const char* kAxes[] = {"parallel.data",     "parallel.tensor",
                                 "parallel.pipeline", "parallel.virtual_stages",
                                 "parallel.sequence", "parallel.pipeline_schedule",
                                 "parallel.zero"};
constexpr const char* kOthers[] = {"parallel.wire", "parallel.reduce", "parallel.bucket", "optim.micro_batch",
                                   "run.recompute"};
constexpr std::int64_t kMostTensorRanks = 8, kMostStages = 16;  // of layouts that nobody asked for

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, at);)
    if (part = trimmed(part); !part.empty()) parts.push_back(part);
  return parts;
}

std::string short_name(const std::string& key) {
  return key.substr(key.find('.') + 1);
}

bool names(const std::string& key, const std::string& text) {
  return text == key || text == short_name(key);
}

std::string full_key(const std::string& text) {
  std::string known;
  const auto search = [&](const auto& keys) -> const char* {
    for (const char* key : keys) {
      if (names(key, text)) return key;
      known += (known.empty() ? "" : ", ") + short_name(key);
    }
    return nullptr;
  };
  if (const char* key = search(kAxes)) return key;
  if (const char* key = search(kOthers)) return key;
  base::fail_usage("--layouts: '{}' is no key of a layout: it can have {}", text, known);
}

Layout parse_layout(const std::string& text) {
  Layout layout;
  for (const std::string& entry : split(text, ',')) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos)
      base::fail_usage("--layouts: '{}' must be key=value, as in --layouts \"tensor=2;pipeline=2,zero=1\"", entry);
    const std::string key = full_key(trimmed(entry.substr(0, equals))), value = trimmed(entry.substr(equals + 1));
    config::Config scratch;
    config::find_option(key)->set(scratch, value);  // refuses values that are none
    for (const auto& [other, unused] : layout.keys)
      if (other == key) base::fail_usage("--layouts: '{}' names {} twice: keep one of the two", text, key);
    layout.keys.emplace_back(key, value);
  }
  return layout;
}

/// Adds what is valid and not there yet, while there is room.
class Candidates {
 public:
  Candidates(const config::Config& config, int ranks, std::int64_t batch, std::size_t most)
      : config_(config), ranks_(ranks), batch_(batch), most_(most) {}
  void add(const Layout& layout) {
    const bool known = std::find(found_.begin(), found_.end(), layout) != found_.end();
    if (known || found_.size() >= most_) return;
    if (problem_of(apply(config_, layout, batch_, 1), ranks_).empty()) found_.push_back(layout);
  }
  std::vector<Layout> take() { return std::move(found_); }

 private:
  const config::Config& config_;
  int ranks_;
  std::int64_t batch_;
  std::size_t most_;
  std::vector<Layout> found_;
};

Layout own_layout(const config::Config& config) {
  const config::Config defaults;
  Layout layout;
  for (const char* key : kAxes) {
    const config::Option* option = config::find_option(key);
    // A number of data ranks fits one number of ranks only.
    if (std::string(key) == "parallel.data" || option->get(config) == option->get(defaults)) continue;
    layout.keys.emplace_back(key, option->get(config));
  }
  return layout;
}

Layout cut(std::int64_t tensor, std::int64_t pipeline) {
  Layout layout;
  if (tensor > 1) layout.keys.emplace_back("parallel.tensor", std::to_string(tensor));
  if (pipeline > 1) layout.keys.emplace_back("parallel.pipeline", std::to_string(pipeline));
  return layout;
}

/// Pairs of tensor and pipeline ranks that share out `ranks`, the smallest products first: the shorter these axes, the
/// fewer messages. Of equal products more tensor ranks first.
std::vector<std::pair<std::int64_t, std::int64_t>> cuts(std::int64_t ranks, std::int64_t ranks_per_node) {
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (const std::int64_t tensor : config::divisors(ranks))
    for (const std::int64_t pipeline : config::divisors(ranks / tensor))
      if (tensor <= std::min(kMostTensorRanks, ranks_per_node) && pipeline <= kMostStages && tensor * pipeline > 1)
        pairs.emplace_back(tensor, pipeline);
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& one, const auto& other) {
    const std::int64_t first = one.first * one.second, second = other.first * other.second;
    return first != second ? first < second : one.first > other.first;
  });
  return pairs;
}

}  // namespace

std::vector<Layout> parse_layouts(const std::string& text) {
  std::vector<Layout> layouts;
  for (const std::string& part : split(text, ';')) layouts.push_back(parse_layout(part));
  if (layouts.empty()) base::fail_usage("--layouts = '{}' names none: use auto, or \"tensor=2;pipeline=2\"", text);
  return layouts;
}

std::string label(const Layout& layout, int ranks) {
  std::string text;
  std::int64_t cut = 1;
  bool names_data = false;
  for (const auto& [key, value] : layout.keys) {
    text += "," + short_name(key) + "=" + value;
    if (key == "parallel.tensor" || key == "parallel.pipeline") cut *= std::stoll(value);
    names_data = names_data || key == "parallel.data";
  }
  const bool fits = ranks % cut == 0, shows_data = !names_data && fits && (ranks / cut > 1 || text.empty());
  if (shows_data) text = fmt::format(",data={}{}", ranks / cut, text);
  return text.substr(1);
}

config::Config apply(const config::Config& config, const Layout& layout, std::int64_t batch, int threads) {
  const config::Config defaults;
  config::Config result = config;
  for (const char* key : kAxes) {
    const config::Option* option = config::find_option(key);
    option->set(result, option->get(defaults));
  }
  for (const auto& [key, value] : layout.keys) config::find_option(key)->set(result, value);
  result.optim.batch = batch;
  result.optim.batch_start = result.optim.batch_ramp = 0;
  result.run.threads = std::to_string(threads);
  return result;
}

std::string problem_of(const config::Config& config, int ranks) {
  const std::vector<config::Problem> problems = config::validate(config, ranks);
  return problems.empty() ? "" : problems.front().message;
}

std::vector<Layout> candidate_layouts(const config::Config& config, int ranks, int ranks_per_node, std::int64_t batch,
                                      std::size_t most) {
  Candidates candidates(config, ranks, batch, most);
  candidates.add(own_layout(config));
  candidates.add({});
  if (ranks > 1) candidates.add({{{"parallel.zero", "1"}}});
  for (const auto& [tensor, pipeline] : cuts(ranks, ranks_per_node)) candidates.add(cut(tensor, pipeline));
  return candidates.take();
}

std::vector<Layout> single_rank_layouts(const config::Config& config, std::int64_t batch, std::size_t most) {
  const auto with_micro_batch = [](std::int64_t size) { return Layout{{{"optim.micro_batch", std::to_string(size)}}}; };
  Candidates candidates(config, 1, batch, most);
  if (config.optim.micro_batch > 0) candidates.add(with_micro_batch(config.optim.micro_batch));
  const std::int64_t automatic = train::automatic_micro_batch(batch, config.model.context);
  candidates.add(with_micro_batch(automatic));
  if (config.run.recompute != "none") {
    Layout kept = with_micro_batch(automatic);
    kept.keys.emplace_back("run.recompute", "none");
    candidates.add(kept);
  }
  std::vector<std::int64_t> sizes = config::divisors(batch);
  const auto distance = [&](std::int64_t size) {
    return std::abs(std::log(static_cast<double>(size) / static_cast<double>(automatic)));
  };
  std::stable_sort(sizes.begin(), sizes.end(), [&](auto one, auto other) { return distance(one) < distance(other); });
  // Larger ones take memory for nothing: products are at their best long before.
  for (const std::int64_t size : sizes)
    if (size <= 2 * automatic) candidates.add(with_micro_batch(size));
  return candidates.take();
}

}  // namespace tessera::scaling
