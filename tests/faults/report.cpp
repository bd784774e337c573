// SPDX-License-Identifier: Apache-2.0
#include "faults/report.hpp"

#include <algorithm>
#include <fmt/core.h>

#include "faults/disk_model.hpp"

namespace tessera::faults {

Report::Count& Report::count(std::vector<Count>& counts, const std::string& name) {
  const auto at = std::find_if(counts.begin(), counts.end(), [&](const Count& one) { return one.name == name; });
  if (at != counts.end()) return *at;
  counts.push_back({name});
  return counts.back();
}

void Report::add(const Outcome& outcome) {
  const auto tell = [&](std::vector<Count>& counts, const std::string& name) {
    Count& one = count(counts, name);
    ++one.rounds;
    one.hit += outcome.hit ? 1 : 0;
    one.good += outcome.good() ? 1 : 0;
  };
  const std::string fault = fault_names[static_cast<std::size_t>(outcome.round.fault)];
  tell(faults_, fault);
  if (!outcome.means.empty()) tell(means_, fault + " by " + outcome.means);
  if (outcome.round.fault == Fault::kill_at_point) tell(points_, name_of(outcome.round.point));
  tell(layouts_, outcome.round.layout->name);
  tell(saves_, outcome.round.async ? "asynchronous" : "synchronous");
  ++rounds_;
  lost_ += outcome.lost ? 1 : 0;
  corrupt_ += outcome.corrupt ? 1 : 0;
  hung_ += outcome.hung ? 1 : 0;
  other_ += !outcome.good() && !outcome.lost && !outcome.corrupt && !outcome.hung ? 1 : 0;
  launcher_stuck_ += outcome.launcher_stuck ? 1 : 0;
  seconds_ += outcome.seconds;
}

bool Report::good() const {
  const auto was_hit = [](const Count& point) { return point.hit > 0; };
  return lost_ == 0 && corrupt_ == 0 && hung_ == 0 && other_ == 0 && rounds_ > 0 &&
         std::all_of(points_.begin(), points_.end(), was_hit) && std::all_of(faults_.begin(), faults_.end(), was_hit);
}

std::string Report::table() const {
  std::string text;
  const auto add_table = [&](const char* title, std::vector<Count> counts, bool sorted) {
    if (counts.empty()) return;
    if (sorted) std::sort(counts.begin(), counts.end(), [](const Count& a, const Count& b) { return a.name < b.name; });
    text += fmt::format("\n{:<40} {:>7} {:>7} {:>7}\n", title, "rounds", "hit", "good");
    for (const Count& one : counts)
      text += fmt::format("  {:<38} {:>7} {:>7} {:>7}\n", one.name, one.rounds, one.hit, one.good);
  };
  std::vector<Count> points;  // in the order of a save
  for (const char* name : point_names)
    for (const Count& point : points_)
      if (point.name == name) points.push_back(point);
  add_table("fault", faults_, true);
  add_table("means", means_, true);
  add_table("kills at", points, false);
  add_table("layout", layouts_, true);
  add_table("saves", saves_, true);
  text +=
      fmt::format("\n{} rounds in {:.0f} s: {} lost, {} silently corrupt, {} hangs, {} otherwise not as documented\n",
                  rounds_, seconds_, lost_, corrupt_, hung_, other_);
  if (launcher_stuck_ > 0)
    text += fmt::format("mpirun itself did not end in {} of them, though all its ranks had\n", launcher_stuck_);
  for (const Count& point : points)
    if (point.hit == 0) text += fmt::format("the point {} was never reached\n", point.name);
  for (const Count& fault : faults_)
    if (fault.hit == 0) text += fmt::format("the fault '{}' never hit\n", fault.name);
  return text;
}

std::string Report::json() const {
  const auto list = [](const std::vector<Count>& counts) {
    json::Json object{json::Object{}};
    for (const Count& one : counts) {
      json::Json numbers{json::Object{}};
      object.set(one.name, numbers.set("rounds", one.rounds).set("hit", one.hit).set("good", one.good));
    }
    return object;
  };
  json::Json all{json::Object{}};
  all.set("rounds", rounds_).set("lost", lost_).set("corrupt", corrupt_).set("hangs", hung_).set("other", other_);
  all.set("launcher_stuck", launcher_stuck_);
  all.set("faults", list(faults_)).set("means", list(means_)).set("points", list(points_));
  all.set("layouts", list(layouts_)).set("saves", list(saves_)).set("seconds", seconds_).set("good", good());
  return all.dump(2) + "\n";
}

std::string describe(const Outcome& outcome) {
  const Round& round = outcome.round;
  std::string text = fmt::format("round {}: {}: {}{}; {}, {} saves: {} ({:.1f} s)\n", round.number,
                                 fault_names[static_cast<std::size_t>(round.fault)], outcome.what,
                                 outcome.hit ? "" : " (not hit)", round.layout->name, round.async ? "async" : "sync",
                                 outcome.good() ? outcome.launcher_stuck ? "good, but mpirun stuck" : "good" : "FAILED",
                                 outcome.seconds);
  for (const std::string& problem : outcome.problems) text += "  " + problem + "\n";
  return text;
}

std::string describe(const ReplayResult& result) {
  return fmt::format(
      "{} operations, {} saves, {} old files removed; {} instants x {} ways to survive, {} files verified, {} starts: "
      "{} lost, {} unsound\n",
      result.operations, result.saves, result.removed, result.instants, survival_names.size(), result.verified,
      result.starts, result.lost, result.unsound);
}

json::Json to_json(const ReplayResult& result) {
  json::Json object{json::Object{}};
  object.set("operations", result.operations).set("saves", result.saves).set("removed", result.removed);
  object.set("instants", result.instants).set("verified", result.verified).set("starts", result.starts);
  return object.set("lost", result.lost).set("unsound", result.unsound).set("good", result.good());
}

}  // namespace tessera::faults
