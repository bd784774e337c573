// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include "base/units.hpp"
#include "scaling/report.hpp"

namespace tessera::scaling {
namespace {

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f}%", 100 * *share) : "-";
}

std::string rate(double tokens_per_second) {
  return base::format_count(static_cast<std::uint64_t>(tokens_per_second + 0.5));
}

std::string layout_of(const PointSummary& point) {
  return label(point.point.layout, point.point.ranks);
}

std::string rate_with_range(const PointSummary& point) {
  if (point.runs < 2) return rate(point.tokens_per_second);
  return fmt::format("{} [{} to {}]", rate(point.tokens_per_second), rate(point.least), rate(point.greatest));
}

/// Columns as wide as what stands in them; the first to the left, others to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> head) { add(std::move(head)); }
  void add(std::vector<std::string> row) {
    widths_.resize(std::max(widths_.size(), row.size()));
    for (std::size_t at = 0; at < row.size(); ++at) widths_[at] = std::max(widths_[at], row[at].size());
    rows_.push_back(std::move(row));
  }
  std::string text() const {
    std::string text;
    for (const std::vector<std::string>& row : rows_) {
      for (std::size_t at = 0; at < row.size(); ++at)
        text += at < 2 ? fmt::format("{}{:<{}}", at ? "  " : "", row[at], widths_[at])
                       : fmt::format("  {:>{}}", row[at], widths_[at]);
      text.erase(text.find_last_not_of(' ') + 1);
      text += "\n";
    }
    return text;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;
};

std::string ranks_cell(const Row& row) {
  const PointSummary* chosen = row.chosen();
  return fmt::format("{}{}", row.ranks, chosen && chosen->shares_cores() ? "*" : "");
}

/// Why a number of ranks has no figures.
std::string why_none(const Row& row) {
  for (const PointSummary& point : row.tried)
    if (point.state == State::missing) return point.job.empty() ? "not measured yet" : "waits for job " + point.job;
  return "failed, see below";
}

std::vector<std::string> cells(const Row& row, const Question& question) {
  std::vector<std::string> line = {ranks_cell(row)};
  const PointSummary* chosen = row.chosen();
  if (!chosen) {
    line.push_back(why_none(row));
    return line;
  }
  line.push_back(layout_of(*chosen));
  if (question.executor == "slurm")
    line.push_back(std::to_string((row.ranks + question.ranks_per_node - 1) / question.ranks_per_node));
  line.push_back(std::to_string(chosen->point.batch));
  line.push_back(rate_with_range(*chosen));
  line.push_back(row.speedup ? fmt::format("{:.2f}", *row.speedup) : "-");
  line.push_back(percent(row.efficiency));
  line.push_back(percent(row.core_efficiency));
  line.push_back(percent(chosen->communication_share));
  line.push_back(percent(chosen->bubble));
  line.push_back(base::format_bytes(static_cast<std::uint64_t>(chosen->memory_bytes)));
  return line;
}

std::vector<std::string> head(const Question& question) {
  std::vector<std::string> head = {"ranks", "layout"};
  if (question.executor == "slurm") head.emplace_back("nodes");
  for (const char* title :
       {"batch", "tokens/s", "speedup", "efficiency", "per core", "communication", "bubble", "memory a rank"})
    head.emplace_back(title);
  return head;
}

std::string title(const SeriesSummary& series, const Question& question) {
  const std::int64_t batch = batch_of(question, series.mode, 1);
  if (series.mode == Mode::strong)
    return fmt::format("strong scaling: {} sequences of {} tokens a step, whatever the ranks\n", batch,
                       question.config.model.context);
  return fmt::format("weak scaling: {} sequences of {} tokens a step and rank\n", batch, question.config.model.context);
}

/// What 100% is.
std::string references(const SeriesSummary& series, const Question& question) {
  std::string text;
  for (const Row& row : series.rows) {
    if (row.ranks != series.baseline_ranks) continue;
    text += fmt::format("speedup and efficiency: against {} rank(s) of {} thread(s), the fastest of {} way(s), {}\n",
                        row.ranks, question.threads, row.tried.size(), layout_of(*row.chosen()));
    if (row.ranks != 1)
      text += question.single_rank ? "  (one rank gave no figures)\n" : "  (one rank was not asked for)\n";
  }
  if (!series.node) return text;
  if (const PointSummary* chosen = series.node->chosen())
    text += fmt::format("per core: against one rank of {} threads, the fastest of {} way(s), {}: {} tokens/s\n",
                        series.node_threads, series.node->tried.size(), layout_of(*chosen), rate_with_range(*chosen));
  else
    text += fmt::format("per core: one rank of {} threads has no figures: {}\n", series.node_threads,
                        why_none(*series.node));
  return text;
}

std::string tried(const Row& row, const std::string& ranks) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < row.tried.size(); ++at) {
    const PointSummary& point = row.tried[at];
    std::string text = layout_of(point) + " ";
    if (point.state == State::measured)
      text += rate(point.tokens_per_second) + (row.best == at ? " (taken)" : "");
    else
      text += point.state == State::failed ? "failed" : "missing";
    parts.push_back(text);
  }
  return fmt::format("  {}: {}\n", ranks, fmt::join(parts, ", "));
}

std::string all_tried(const SeriesSummary& series) {
  std::string text = "tried, in tokens/s:\n";
  for (const Row& row : series.rows) text += tried(row, std::to_string(row.ranks));
  if (series.node) text += tried(*series.node, fmt::format("1 of {} threads", series.node_threads));
  return text;
}

std::string failures(const SeriesSummary& series) {
  std::string text;
  const auto add = [&](const Row& row) {
    for (const PointSummary& point : row.tried)
      if (point.state == State::failed) text += fmt::format("  {}: {}\n", point.point.name, point.cause);
  };
  for (const Row& row : series.rows) add(row);
  if (series.node) add(*series.node);
  return text.empty() ? "" : "failed:\n" + text;
}

std::string core_warning(const SeriesSummary& series) {
  for (const Row& row : series.rows)
    if (const PointSummary* chosen = row.chosen(); chosen && chosen->shares_cores())
      return fmt::format(
          "* more threads than cores ({} on {}): these ranks share cores, so the row shows what sharing costs and not "
          "how work scales; of its efficiency at most {:.0f}% can be had\n",
          chosen->busy_cores, chosen->cores,
          100.0 * static_cast<double>(chosen->cores) / static_cast<double>(chosen->busy_cores));
  return "";
}

/// On what it was measured.
std::string machine(const Summary& summary) {
  std::vector<std::string> hosts, cpus;
  std::int64_t cores = 0;
  const auto merge = [](std::vector<std::string>& all, const std::vector<std::string>& more) {
    for (const std::string& one : more)
      if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  };
  for (const SeriesSummary& series : summary.series)
    for (const Row& row : series.rows)
      for (const PointSummary& point : row.tried) {
        merge(hosts, point.hosts);
        merge(cpus, point.cpus);
        cores = std::max(cores, point.cores);
      }
  if (hosts.empty()) return "nothing is measured yet\n";
  std::string text = fmt::format(
      "measured on {} host(s) of {} core(s), {}: ranks of {} thread(s), medians of {} run(s) "
      "of {} steps\n",
      hosts.size(), cores, fmt::join(cpus, " and "), summary.question.threads, summary.question.num_repeats,
      summary.question.num_steps);
  if (cpus.size() > 1) text += "warning: CPUs of several models took part: their figures do not compare\n";
  return text;
}

/// How to get the runs that there are none of yet.
std::string missing(const Summary& summary) {
  const char* remedy = summary.question.executor == "slurm"
                           ? "`tessera scale submit` with the same --output queues those that no job will make"
                           : "`tessera scale run` with the same --output makes them";
  return fmt::format("\n{} run(s) are missing: {}\n", summary.num_missing, remedy);
}

}  // namespace

std::string report_text(const Summary& summary) {
  std::string text = machine(summary);
  for (const SeriesSummary& series : summary.series) {
    Table table(head(summary.question));
    for (const Row& row : series.rows) table.add(cells(row, summary.question));
    text += "\n" + title(series, summary.question) + table.text();
    text += core_warning(series) + references(series, summary.question) + all_tried(series) + failures(series);
  }
  if (summary.num_missing > 0) text += missing(summary);
  return text;
}

}  // namespace tessera::scaling
