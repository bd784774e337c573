// SPDX-License-Identifier: Apache-2.0
#include "scaling/summary.hpp"

#include <algorithm>

#include "base/quantile.hpp"

namespace tessera::scaling {
namespace {

void add_once(std::vector<std::string>& list, const std::string& entry) {
  if (std::find(list.begin(), list.end(), entry) == list.end()) list.push_back(entry);
}

double median_of(const std::vector<Result>& runs, double Result::*member) {
  std::vector<double> values;
  for (const Result& run : runs) values.push_back(run.*member);
  return base::median(values);
}

void fill_figures(PointSummary& summary, const std::vector<Result>& runs) {
  summary.state = State::measured;
  summary.tokens_per_second = median_of(runs, &Result::tokens_per_second);
  summary.communication_share = median_of(runs, &Result::communication_share);
  summary.bubble = median_of(runs, &Result::bubble);
  summary.least = summary.greatest = runs.front().tokens_per_second;
  summary.micro_batch = runs.front().micro_batch;
  for (const Result& run : runs) {
    summary.least = std::min(summary.least, run.tokens_per_second);
    summary.greatest = std::max(summary.greatest, run.tokens_per_second);
    summary.memory_bytes = std::max(summary.memory_bytes, run.memory_bytes);
    summary.busy_cores = std::max(summary.busy_cores, run.busy_cores);
    summary.cores = std::max(summary.cores, run.cores);
    for (const std::string& host : run.hosts) add_once(summary.hosts, host);
    add_once(summary.cpus, run.cpu);
  }
}

void choose_best(Row& row) {
  row.best.reset();
  for (std::size_t at = 0; at < row.tried.size(); ++at) {
    if (row.tried[at].state != State::measured) continue;
    if (!row.best || row.tried[at].tokens_per_second > row.tried[*row.best].tokens_per_second) row.best = at;
  }
}

/// Cores that the ranks of a point compute on, over all its nodes; threads that share a core count once.
double cores_of(const PointSummary& point) {
  const double threads = static_cast<double>(point.point.ranks) * point.point.threads;
  if (!point.shares_cores()) return threads;
  return threads * static_cast<double>(point.cores) / static_cast<double>(point.busy_cores);
}

}  // namespace

const char* name(State state) {
  switch (state) {
    case State::measured:
      return "measured";
    case State::failed:
      return "failed";
    case State::missing:
      break;
  }
  return "missing";
}

PointSummary summarize(const Point& point, const std::vector<std::optional<Result>>& runs) {
  PointSummary summary;
  summary.point = point;
  std::vector<Result> good;
  for (const std::optional<Result>& run : runs) {
    if (!run) continue;
    if (!run->failure.empty()) summary.cause = run->failure;
    if (run->failure.empty()) good.push_back(*run);
  }
  summary.runs = static_cast<std::int64_t>(good.size());
  if (!point.refused.empty()) summary.cause = "refused: " + point.refused;
  if (!summary.cause.empty())
    summary.state = State::failed;
  else if (!good.empty())
    fill_figures(summary, good);
  return summary;
}

void compare(SeriesSummary& series) {
  if (series.node) choose_best(*series.node);
  const Row* base = nullptr;
  for (Row& row : series.rows) {
    choose_best(row);
    if (!base && row.best) base = &row;
  }
  if (!base) return;
  series.baseline_ranks = base->ranks;
  const PointSummary* node = series.node ? series.node->chosen() : nullptr;
  // Where one process with all cores is no other than the single rank, that one has the cores of its threads.
  if (!series.node && base->ranks == 1) node = base->chosen();
  for (Row& row : series.rows) {
    const PointSummary* chosen = row.chosen();
    if (!chosen) continue;
    row.speedup = chosen->tokens_per_second / base->chosen()->tokens_per_second;
    row.efficiency = *row.speedup * base->ranks / row.ranks;
    if (node)
      row.core_efficiency = chosen->tokens_per_second / cores_of(*chosen) / (node->tokens_per_second / cores_of(*node));
  }
}

Summary summarize(const Study& study, const Folder& folder) {
  Summary summary;
  summary.question = study.question;
  std::vector<PointSummary> points;
  for (const Point& point : study.points) {
    std::vector<std::optional<Result>> runs;
    for (std::int64_t repeat = 1; repeat <= study.question.num_repeats; ++repeat)
      runs.push_back(point.refused.empty() ? folder.result(point, repeat) : std::nullopt);
    if (const auto missing = std::find(runs.begin(), runs.end(), std::nullopt); missing != runs.end())
      if (const std::optional<std::string> loss = folder.loss(point)) missing->emplace().failure = *loss;
    points.push_back(summarize(point, runs));
    points.back().job = folder.job(point);
    if (points.back().state != State::failed) summary.num_missing += study.question.num_repeats - points.back().runs;
  }
  const auto row_of = [&](const RankPoints& ranks) {
    Row row;
    row.ranks = ranks.ranks;
    for (const std::size_t number : ranks.points) row.tried.push_back(points[number]);
    return row;
  };
  for (const Series& series : study.series) {
    SeriesSummary part;
    part.mode = series.mode;
    for (const RankPoints& ranks : series.ranks) part.rows.push_back(row_of(ranks));
    if (!series.node.points.empty()) part.node = row_of(series.node);
    part.node_threads = series.node_threads;
    compare(part);
    summary.series.push_back(std::move(part));
  }
  return summary;
}

}  // namespace tessera::scaling
