// SPDX-License-Identifier: Apache-2.0
#include "comm/sign_of_life.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>

#include "base/error.hpp"
#include "json/json.hpp"

namespace tessera::comm {
namespace {

constexpr std::array kStates = {"computing", "waiting", "gave up"};
constexpr std::size_t kMostNamed = 8;  // ranks or states in one message

std::string step_name(std::int64_t step) {
  return step < 0 ? "before the first step" : fmt::format("step {}", step);
}

std::string activity(const SignOfLife& sign) {
  if (sign.operation.empty()) return "computing";
  const std::string operation = fmt::format("'{}' ({})", sign.operation, sign.group);
  switch (sign.state) {
    case SignOfLife::State::waiting:
      return "waiting for " + operation;
    case SignOfLife::State::gave_up:
      return "out of patience with " + operation;
    case SignOfLife::State::computing:
      break;
  }
  return "computing after " + operation;
}

std::string silent_rank(std::size_t rank, const Observation& seen, std::int64_t step, double waited_seconds) {
  if (!seen.sign) return fmt::format("rank {} has left no sign of life: it never came so far, or has ended", rank);
  const SignOfLife& sign = *seen.sign;
  const std::string elsewhere = sign.step == step ? "" : step_name(sign.step) + ", ";
  const bool stands = sign.state == SignOfLife::State::waiting;  // a rank that waits beats
  return fmt::format(
      "rank {} on {} (pid {}) has not answered for {:.0f} s: its last sign of life was {:.0f} s ago, {}{}{}", rank,
      sign.host, sign.pid, waited_seconds, seen.age_seconds, elsewhere, activity(sign),
      stands ? ", so the process stands still" : "");
}

std::string joined(std::vector<std::string> texts) {
  const std::size_t more = texts.size() > kMostNamed ? texts.size() - kMostNamed : 0;
  texts.resize(texts.size() - more);
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : "; ") + text;
  return more == 0 ? all : fmt::format("{}; and {} more", all, more);
}

/// What every rank does, ranks that do the same together.
std::string all_activities(const std::vector<Observation>& ranks) {
  std::vector<std::pair<std::string, std::vector<std::size_t>>> groups;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    SignOfLife sign = ranks[rank].sign.value_or(SignOfLife{});
    if (sign.state == SignOfLife::State::gave_up) sign.state = SignOfLife::State::waiting;
    const std::string text = fmt::format("{}, {}", step_name(sign.step), activity(sign));
    const auto same =
        std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == text; });
    if (same == groups.end())
      groups.push_back({text, {rank}});
    else
      same->second.push_back(rank);
  }
  std::vector<std::string> texts;
  for (const auto& [text, members] : groups)
    texts.push_back(members.size() == 1
                        ? fmt::format("rank {}: {}", members.front(), text)
                        : fmt::format("{} ranks, the first is {}: {}", members.size(), members.front(), text));
  return joined(std::move(texts));
}

}  // namespace

std::string to_line(const SignOfLife& sign) {
  json::Json line{json::Object{}};
  line.set("rank", sign.rank).set("host", sign.host).set("pid", sign.pid).set("step", sign.step);
  line.set("state", kStates[static_cast<std::size_t>(sign.state)]).set("operation", sign.operation);
  line.set("group", sign.group).set("waits", sign.waits).set("beats", sign.beats).set("time", sign.time_seconds);
  return line.dump() + "\n";
}

std::optional<SignOfLife> from_line(const std::string& text) {
  const std::size_t end = text.find('\n');
  if (end == std::string::npos) return {};
  try {
    const json::Json line = json::parse(text.substr(0, end), "sign of life");
    const auto state = std::find(kStates.begin(), kStates.end(), line.at("state").as_string());
    if (state == kStates.end()) return {};
    SignOfLife sign;
    sign.rank = static_cast<int>(line.at("rank").as_int());
    sign.host = line.at("host").as_string();
    sign.pid = line.at("pid").as_int();
    sign.step = line.at("step").as_int();
    sign.state = static_cast<SignOfLife::State>(state - kStates.begin());
    sign.operation = line.at("operation").as_string();
    sign.group = line.at("group").as_string();
    sign.waits = static_cast<std::uint64_t>(line.at("waits").as_int());
    sign.beats = static_cast<std::uint64_t>(line.at("beats").as_int());
    sign.time_seconds = line.at("time").as_double();
    return sign;
  } catch (const base::Error&) {
    return {};
  }
}

std::string describe_silence(const std::vector<Observation>& ranks, int me, double waited_seconds,
                             double timeout_seconds) {
  const SignOfLife mine = ranks[static_cast<std::size_t>(me)].sign.value_or(SignOfLife{});
  double longest = 0;
  for (const Observation& seen : ranks)
    if (seen.silent && seen.sign) longest = std::max(longest, seen.age_seconds);
  std::vector<std::size_t> silent;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank)
    if (ranks[rank].silent && (!ranks[rank].sign || ranks[rank].age_seconds >= longest / 2)) silent.push_back(rank);
  std::vector<std::string> named;
  for (const std::size_t rank : silent) named.push_back(silent_rank(rank, ranks[rank], mine.step, waited_seconds));
  const std::string cause = named.empty()
                                ? "no rank has stopped, but they do not come together (" + all_activities(ranks) + ")"
                                : joined(std::move(named));
  return fmt::format("{}: {}; rank {} on {} waited {:.0f} s for '{}' ({}). parallel.timeout = {:g}",
                     step_name(mine.step), cause, me, mine.host, waited_seconds, mine.operation, mine.group,
                     timeout_seconds);
}

}  // namespace tessera::comm
