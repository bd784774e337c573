// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "json/json.hpp"
#include "scaling/report.hpp"

namespace tessera::scaling {
namespace {

std::string layout_of(const PointSummary& point) {
  return label(point.point.layout, point.point.ranks);
}

json::Json to_json(const PointSummary& point) {
  json::Json object{json::Object{}};
  object.set("name", point.point.name).set("state", name(point.state));
  object.set("ranks", point.point.ranks).set("threads", point.point.threads).set("batch", point.point.batch);
  object.set("layout", layout_of(point));
  if (point.state == State::failed) object.set("cause", point.cause);
  if (!point.job.empty()) object.set("job", point.job);
  if (point.state != State::measured) return object;
  object.set("runs", point.runs).set("tokens_per_second", point.tokens_per_second);
  object.set("least", point.least).set("greatest", point.greatest);
  object.set("communication_share", point.communication_share).set("bubble_fraction", point.bubble);
  object.set("peak_memory_bytes", point.memory_bytes).set("micro_batch", point.micro_batch);
  object.set("cores", point.cores).set("busy_cores", point.busy_cores).set("shares_cores", point.shares_cores());
  json::Json hosts{json::Array{}};
  for (const std::string& host : point.hosts) hosts.push(host);
  return object.set("hosts", std::move(hosts));
}

json::Json to_json(const Row& row) {
  json::Json object{json::Object{}}, tried{json::Array{}};
  for (const PointSummary& point : row.tried) tried.push(to_json(point));
  const PointSummary* chosen = row.chosen();
  object.set("ranks", row.ranks).set("chosen", chosen ? to_json(*chosen) : json::Json());
  object.set("speedup", row.speedup).set("efficiency", row.efficiency).set("core_efficiency", row.core_efficiency);
  return object.set("tried", std::move(tried));
}

/// A cell: in quotes where a comma or a quote would end it.
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

std::string csv_line(const SeriesSummary& series, const char* role, const Row& row, std::size_t at) {
  const PointSummary& point = row.tried[at];
  const bool best = row.best == at, measured = point.state == State::measured;
  const auto figure = [&](auto value) { return measured ? fmt::format("{}", value) : ""; };
  const auto of_best = [&](const std::optional<double>& value) { return best ? number(value) : ""; };
  return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", name(series.mode), role, row.ranks,
                     point.point.threads, point.point.batch, cell(layout_of(point)), name(point.state), best ? 1 : 0,
                     figure(point.runs), figure(point.tokens_per_second), figure(point.least), figure(point.greatest),
                     of_best(row.speedup), of_best(row.efficiency), of_best(row.core_efficiency),
                     figure(point.communication_share), figure(point.bubble), figure(point.memory_bytes),
                     cell(point.cause));
}

}  // namespace

std::string report_json(const Summary& summary) {
  json::Json all{json::Array{}};
  for (const SeriesSummary& series : summary.series) {
    json::Json object{json::Object{}}, rows{json::Array{}};
    for (const Row& row : series.rows) rows.push(to_json(row));
    object.set("mode", name(series.mode)).set("batch", batch_of(summary.question, series.mode, 1));
    object.set("baseline_ranks", series.baseline_ranks ? json::Json(*series.baseline_ranks) : json::Json());
    object.set("node_threads", series.node_threads).set("node", series.node ? to_json(*series.node) : json::Json());
    all.push(object.set("rows", std::move(rows)));
  }
  json::Json object{json::Object{}};
  object.set("question", to_json(summary.question)).set("series", std::move(all));
  return object.set("missing_runs", summary.num_missing).dump(1) + "\n";
}

std::string report_csv(const Summary& summary) {
  std::string text =
      "mode,role,ranks,threads,batch,layout,state,chosen,runs,tokens_per_second,least,greatest,speedup,efficiency,"
      "core_efficiency,communication_share,bubble_fraction,peak_memory_bytes,cause\n";
  for (const SeriesSummary& series : summary.series) {
    for (const Row& row : series.rows)
      for (std::size_t at = 0; at < row.tried.size(); ++at) text += csv_line(series, "ranks", row, at);
    if (series.node)
      for (std::size_t at = 0; at < series.node->tried.size(); ++at) text += csv_line(series, "node", *series.node, at);
  }
  return text;
}

}  // namespace tessera::scaling
