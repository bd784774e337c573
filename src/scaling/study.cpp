// SPDX-License-Identifier: Apache-2.0
#include "scaling/study.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "base/error.hpp"
#include "config/options.hpp"

namespace tessera::scaling {
namespace {

/// Ways of a single rank that are tried: what others are compared with must not be handicapped.
constexpr std::size_t kMostSingleRank = 4;

std::string point_name(const Point& point) {
  return fmt::format("{}x{}-batch{}-{}", point.ranks, point.threads, point.batch, label(point.layout, point.ranks));
}

class Planner {
 public:
  explicit Planner(const Question& question) { study_.question = question; }

  Study plan() {
    for (const Mode mode : study_.question.modes) add_series(mode);
    return std::move(study_);
  }

 private:
  void add_series(Mode mode) {
    const Question& question = study_.question;
    std::vector<int> counts = question.ranks;
    if (question.single_rank && counts.front() != 1) counts.insert(counts.begin(), 1);
    Series series;
    series.mode = mode;
    for (const int ranks : counts)
      series.ranks.push_back({ranks, points(ranks, question.threads, batch_of(question, mode, ranks))});
    const int on_node = std::min(question.ranks_per_node, counts.back());
    series.node_threads = std::min(question.cores, on_node * question.threads);
    if (series.node_threads > question.threads && question.single_rank)
      series.node = {1, points(1, series.node_threads, node_batch(mode, series.node_threads))};
    study_.series.push_back(std::move(series));
  }

  /// Weak: the work of as many ranks as have these threads.
  std::int64_t node_batch(Mode mode, int threads) const {
    return batch_of(study_.question, mode, std::max(1, threads / study_.question.threads));
  }

  std::vector<std::size_t> points(int ranks, int threads, std::int64_t batch) {
    std::vector<std::size_t> numbers;
    for (const Layout& layout : layouts(ranks, batch)) numbers.push_back(number_of(ranks, threads, batch, layout));
    return numbers;
  }

  std::vector<Layout> layouts(int ranks, std::int64_t batch) const {
    const Question& question = study_.question;
    if (ranks == 1) {
      std::vector<Layout> found = single_rank_layouts(question.config, batch, kMostSingleRank);
      return found.empty() ? std::vector<Layout>{{}} : found;  // to be refused with its reason
    }
    if (question.layouts != "auto") return parse_layouts(question.layouts);
    std::vector<Layout> found = candidate_layouts(question.config, ranks, question.ranks_per_node, batch,
                                                  static_cast<std::size_t>(question.most_layouts));
    return found.empty() ? std::vector<Layout>{{}} : found;
  }

  std::size_t number_of(int ranks, int threads, std::int64_t batch, const Layout& layout) {
    Point point{"", ranks, threads, batch, layout, ""};
    point.name = point_name(point);
    point.refused = problem_of(apply(study_.question.config, layout, batch, threads), ranks);
    const auto same = [&](const Point& other) { return other.name == point.name; };
    const auto known = std::find_if(study_.points.begin(), study_.points.end(), same);
    const auto number = static_cast<std::size_t>(known - study_.points.begin());
    if (known == study_.points.end()) study_.points.push_back(std::move(point));
    return number;
  }

  Study study_;
};

}  // namespace

std::int64_t batch_of(const Question& question, Mode mode, int ranks) {
  const std::int64_t batch = question.config.optim.batch;
  if (mode == Mode::strong) return batch;
  return (question.batch_per_rank > 0 ? question.batch_per_rank : batch) * ranks;
}

Study plan(const Question& question) {
  check(question);
  return Planner(question).plan();
}

std::vector<std::string> bench_options(const Question& question, const Point& point) {
  const config::Config asked = apply(question.config, point.layout, point.batch, point.threads);
  const config::Config defaults;
  std::vector<std::string> words;
  for (const config::Option& option : config::options())
    if (const std::string value = option.get(asked); value != option.get(defaults))
      words.push_back("--" + option.key + "=" + value);
  words.push_back(fmt::format("--warmup={}", question.num_warmup));
  words.push_back(fmt::format("--measure={}", question.num_steps));
  words.insert(words.end(), {"--steps-only", "--json"});
  return words;
}

jobs::Launch launch_of(const Question& question, const Point& point, std::vector<std::string> words) {
  return {std::move(words), point.ranks, question.ranks_per_node, point.threads};
}

}  // namespace tessera::scaling
