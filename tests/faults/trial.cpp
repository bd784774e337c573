// SPDX-License-Identifier: Apache-2.0
#include "faults/trial.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <sstream>

namespace tessera::faults {

namespace fs = std::filesystem;

namespace {

/// The steps of lines "step 5/8  loss ..." on the console, in order.
std::vector<std::int64_t> printed_steps(const std::string& output) {
  std::vector<std::int64_t> steps;
  const std::string end = fmt::format("/{}  loss", num_steps);
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("step ") && line.find(end) != std::string::npos) steps.push_back(std::stoll(line.substr(5)));
  return steps;
}

bool same_bits(const Tensors& a, const Tensors& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    return one.first == other.first && one.second.size() == other.second.size() &&
           std::memcmp(one.second.data(), other.second.data(), one.second.size() * sizeof(float)) == 0;
  });
}

std::string tail(const std::string& text) {
  constexpr std::size_t most = 1500;
  return text.size() > most ? "..." + text.substr(text.size() - most) : text;
}

}  // namespace

Trial::Trial(TestStand& stand, const Round& round)
    : stand_(stand), reference_(stand.reference(round)), run_(stand.new_run()), random_(round.seed) {
  outcome_.round = round;
}

void Trial::begin_stopped() {
  fs::copy(reference_.stopped_run, run_, fs::copy_options::recursive);
}

CommandResult Trial::start(const ShimSettings& fault, const std::string& options,
                           const std::function<void()>& meanwhile) {
  CommandResult result = stand_.train(round(), run_, fault, options, meanwhile);
  outcome_.hung = outcome_.hung || result.hung;
  outcome_.launcher_stuck = outcome_.launcher_stuck || result.stuck;
  expect(!result.hung, "the command hangs:\n{}{}", tail(result.output), tail(result.errors));
  return result;
}

std::int64_t Trial::look(std::int64_t published_step, std::size_t num_damaged) {
  const Found found = look_into(run_ + "/checkpoints");
  std::string unsound;
  for (const std::string& problem : found.unsound) unsound += "\n  " + problem;
  if (!expect(found.newest >= published_step, "LOST: step {} was published, the newest sound one is {}{}",
              published_step, found.newest, unsound))
    outcome_.lost = true;
  if (!expect(found.unsound.size() <= num_damaged, "CORRUPT: named like a checkpoint, and none:{}", unsound))
    outcome_.corrupt = true;
  return found.newest;
}

CommandResult Trial::resume(std::int64_t from, bool metrics_kept) {
  std::vector<std::string> before = comparable_steps(run_);
  before.resize(std::min(before.size(), static_cast<std::size_t>(from)));
  age_empty_lock();
  const std::vector<std::string> leftovers = half_files();
  CommandResult result = start({});
  if (result.hung) return result;
  if (!expect(result.exit_code == 0, "the next start ends with exit code {}:\n{}{}", result.exit_code,
              tail(result.output), tail(result.errors)))
    return result;
  for (const std::string& file : leftovers)
    expect(result.errors.find(fmt::format("removed '{}'", file)) != std::string::npos,
           "the start does not say that it removed '{}':\n{}", file, tail(result.errors));
  expect_resumed(result, from);
  if (metrics_kept) expect_metrics(from, before);
  expect_tidy();
  look(num_steps);
  const int num_sound = look_into(run_ + "/checkpoints").num_sound;
  expect(from == num_steps || num_sound == kept_files, "{} checkpoints are kept, not {}", num_sound, kept_files);
  expect_same_result();
  return result;
}

void Trial::age_empty_lock() {
  const std::string lock = run_ + "/lock";
  std::error_code error;
  if (fs::file_size(lock, error) != 0 || error) return;
  fs::last_write_time(lock, fs::file_time_type::clock::now() - std::chrono::minutes(2));
  outcome_.what += ", lock without a holder";
}

void Trial::expect_resumed(const CommandResult& result, std::int64_t from) {
  const std::string resumed = fmt::format("resumed from '{}' (step {})", checkpoint_path(run_, from), from);
  const bool says_so = result.output.find(resumed) != std::string::npos;
  expect(says_so == (from > 0) && (result.output.find("resumed from") != std::string::npos) == (from > 0),
         "not resumed from step {}:\n{}{}", from, tail(result.output), tail(result.errors));
  std::vector<std::int64_t> expected;
  for (std::int64_t step = from + 1; step <= num_steps; ++step) expected.push_back(step);
  expect(printed_steps(result.output) == expected, "the steps after {} did not run once each:\n{}", from,
         tail(result.output));
}

void Trial::expect_metrics(std::int64_t from, const std::vector<std::string>& before) {
  const std::vector<std::string> metrics = comparable_steps(run_);
  expect(metrics == reference_.metrics, "metrics.jsonl is not that of an undisturbed run:\n{}",
         tail(testing::read_file(run_ + "/metrics.jsonl")));
  expect(before.size() == static_cast<std::size_t>(from) && metrics.size() >= before.size() &&
             std::equal(before.begin(), before.end(), metrics.begin()),
         "metrics.jsonl did not keep the steps up to {}", from);
}

void Trial::expect_same_result() {
  const std::string path = checkpoint_path(run_, num_steps);
  if (!problem_of(path).empty()) return;  // said by look()
  if (!expect(same_bits(read_tensors(path), reference_.tensors),
              "CORRUPT: weights or moments differ from those of the undisturbed run"))
    outcome_.corrupt = true;
}

void Trial::expect_failure(const CommandResult& result, const std::vector<int>& exit_codes, const std::string& text) {
  if (result.hung) return;
  expect(std::find(exit_codes.begin(), exit_codes.end(), result.exit_code) != exit_codes.end(),
         "exit code {} instead of {}:\n{}{}", result.exit_code, exit_codes.front(), tail(result.output),
         tail(result.errors));
  expect(result.errors.find(text) != std::string::npos, "no '{}' in the message:\n{}", text, tail(result.errors));
}

std::vector<std::string> Trial::half_files() const {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run_ + "/checkpoints", error))
    if (step_of_temporary(entry.path().string())) files.push_back(entry.path().string());
  return files;
}

void Trial::expect_tidy() {
  for (const auto& entry : fs::recursive_directory_iterator(run_)) {
    const std::string name = entry.path().filename().string();
    expect(name.find(".tmp") == std::string::npos && !name.starts_with("lock") && name != "heartbeat", "'{}' is left",
           entry.path().string());
  }
}

}  // namespace tessera::faults
