// SPDX-License-Identifier: Apache-2.0
// tessera_faults: runs that are killed, starved, damaged and held up, and what is left of their checkpoints.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fmt/core.h>
#include <stdexcept>
#include <string>
#include <string_view>

#include "faults/replay.hpp"
#include "faults/report.hpp"
#include "faults/scenarios.hpp"
#include "json/json.hpp"

namespace tessera::faults {
namespace {

constexpr const char* kUsage =
    "usage: tessera_faults --rounds N [--seed S] [--ranks 2|3|4] [--limit SECONDS] [--only ROUND] [--json]\n"
    "  plays N rounds, each a fault and the start after it; 30 rounds have every fault and every point of a save\n"
    "usage: tessera_faults --replay [--forget tiles|file|folder] [--seed S] [--json]\n"
    "  records a run and cuts the power at every instant of it\n"
    "  --forget as if the program had forgotten that flush once: then it must fail\n"
    "  --limit  a command that takes longer hangs (120)\n"
    "  --only   of these rounds play only one, as to see a failure again\n"
    "exit code 1 if a checkpoint is lost, data silently corrupt, a command hangs or anything is not as documented\n";

struct Options {
  int rounds = 0, ranks = 0, only = 0;
  std::uint64_t seed = 1;
  double limit_seconds = 120;
  bool json = false, replay = false;
  Forgotten forgotten = Forgotten::nothing;
};

template <class Number>
Number number(std::string_view option, std::string_view text) {
  Number value{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || rest != text.data() + text.size())
    throw std::invalid_argument(fmt::format("{} needs a number, not '{}'", option, text));
  return value;
}

Forgotten forgotten(std::string_view name) {
  const auto at = std::find(forgotten_names.begin(), forgotten_names.end(), name);
  if (at == forgotten_names.end())
    throw std::invalid_argument(fmt::format("--forget needs tiles, file or folder, not '{}'", name));
  return static_cast<Forgotten>(at - forgotten_names.begin());
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const auto value = [&] {
      if (++i == argc) throw std::invalid_argument(fmt::format("{} needs a value", option));
      return std::string_view(argv[i]);
    };
    if (option == "--json")
      options.json = true;
    else if (option == "--replay")
      options.replay = true;
    else if (option == "--forget")
      options.forgotten = forgotten(value());
    else if (option == "--rounds")
      options.rounds = number<int>(option, value());
    else if (option == "--seed")
      options.seed = number<std::uint64_t>(option, value());
    else if (option == "--ranks")
      options.ranks = number<int>(option, value());
    else if (option == "--only")
      options.only = number<int>(option, value());
    else if (option == "--limit")
      options.limit_seconds = number<double>(option, value());
    else
      throw std::invalid_argument(fmt::format("'{}' is no option", option));
  }
  if (options.replay && options.rounds > 0) throw std::invalid_argument("--rounds and --replay are two things");
  if (!options.replay && options.forgotten != Forgotten::nothing)
    throw std::invalid_argument("--forget belongs to --replay");
  if (options.rounds <= 0 && !options.replay) throw std::invalid_argument("--rounds is missing, or no positive number");
  return options;
}

int play_rounds(const Options& options) {
  adopt_orphans();
  TestStand stand(options.limit_seconds);
  Report report;
  for (const Round& round : deal(options.rounds, options.seed, options.ranks)) {
    if (options.only > 0 && round.number != options.only) continue;
    const Outcome outcome = play(stand, round);
    report.add(outcome);
    if (!options.json || !outcome.good()) fmt::print(options.json ? stderr : stdout, "{}", describe(outcome));
    std::fflush(stdout);
  }
  fmt::print("{}", options.json ? report.json() : report.table());
  return report.good() ? 0 : 1;
}

int play_replay(const Options& options) {
  adopt_orphans();
  TestStand stand(options.limit_seconds);
  bool good = true;
  json::Json all{json::Object{}};
  for (const bool async : {false, true}) {
    const ReplayResult result = replay(stand, async, options.seed, options.forgotten);
    const char* saves = async ? "asynchronous" : "synchronous";
    good = good && result.good();
    all.set(saves, to_json(result));
    if (!options.json) fmt::print("{} saves: {}", saves, describe(result));
    for (const std::string& problem : result.problems) fmt::print(options.json ? stderr : stdout, "  {}\n", problem);
    std::fflush(stdout);
  }
  if (options.json) fmt::print("{}\n", all.set("good", good).dump(2));
  return good ? 0 : 1;
}

}  // namespace
}  // namespace tessera::faults

int main(int argc, char** argv) {
  try {
    const tessera::faults::Options options = tessera::faults::parse(argc, argv);
    return options.replay ? tessera::faults::play_replay(options) : tessera::faults::play_rounds(options);
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "error: {}\n{}", error.what(), tessera::faults::kUsage);
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
