// SPDX-License-Identifier: Apache-2.0
#include "comm/heartbeat.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <unistd.h>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "comm/together.hpp"

namespace tessera::comm {
namespace {

namespace fs = std::filesystem;
using base::Clock;

constexpr auto kBeat = std::chrono::seconds(1);
constexpr auto kWatch = std::chrono::seconds(2);  // longer than a waiting rank is ever silent

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Heartbeat::Heartbeat(const Communicator& ranks, std::string folder)
    : ranks_(ranks), folder_(std::move(folder)), exceptions_(std::uncaught_exceptions()) {
  sign_.rank = ranks.rank();
  sign_.host = ranks.host();
  sign_.pid = ::getpid();
  together(ranks, "heartbeat folder", [&] {
    if (ranks.rank() != 0) return;
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) base::fail_system("cannot create folder '{}': {}", folder_, error.message());
    for (const fs::directory_entry& file : fs::directory_iterator(folder_, error))
      if (file.path().filename().string().starts_with("rank-")) fs::remove(file.path(), error);
  });
  together(ranks, "heartbeat files", [&] {
    const std::string line = to_line(sign_);
    base::PosixFile::create(path_of(sign_.rank)).write_at(0, line.data(), line.size());
  });
  ranks_.set_heartbeat(this);
}

Heartbeat::~Heartbeat() {
  ranks_.set_heartbeat(nullptr);
  if (std::uncaught_exceptions() > exceptions_) return;
  std::error_code ignored;  // a folder that is not empty yet stays
  fs::remove(path_of(sign_.rank), ignored);
  fs::remove(folder_, ignored);
}

std::string Heartbeat::path_of(int rank) const {
  return folder_ + "/rank-" + std::to_string(rank) + ".json";
}

/// A shorter line leaves the end of a longer one behind it, which readers leave out.
void Heartbeat::publish() {
  ++sign_.beats;
  sign_.time_seconds = wall_seconds();
  published_ = Clock::now();
  waiting_published_ = sign_.state == SignOfLife::State::waiting;
  const std::string line = to_line(sign_);
  try {
    base::PosixFile::open_write(path_of(sign_.rank)).write_at(0, line.data(), line.size());
  } catch (const base::Error&) {  // seen by others as silence, which only matters if they wait for this rank
  }
}

void Heartbeat::set_step(std::int64_t step) {
  sign_.step = step;
  if (Clock::now() - published_ > kBeat) publish();
}

void Heartbeat::wait_begins(const char* what, const std::string& group) {
  ++sign_.waits;
  sign_.operation = what;
  sign_.group = group;
  sign_.state = SignOfLife::State::waiting;
}

void Heartbeat::wait_goes_on(Clock::time_point now) {
  if (now - published_ > kBeat) publish();
}

void Heartbeat::wait_ends() {
  sign_.state = SignOfLife::State::computing;
  if (waiting_published_) publish();
}

std::optional<SignOfLife> Heartbeat::read(int rank) const {
  for (int attempt = 0; attempt < 3; ++attempt) {  // a line may be read while it is written
    std::ifstream file(path_of(rank), std::ios::binary);
    std::optional<SignOfLife> sign = from_line({std::istreambuf_iterator<char>(file), {}});
    if (sign) return sign;
  }
  return {};
}

std::string Heartbeat::give_up(double waited_seconds, double timeout_seconds) {
  // Says so first: a rank that watches the others does not beat, and must not be taken for the one that lags.
  sign_.state = SignOfLife::State::gave_up;
  publish();
  const auto read_all = [&] {
    std::vector<std::optional<SignOfLife>> signs;
    for (int rank = 0; rank < ranks_.size(); ++rank) signs.push_back(read(rank));
    return signs;
  };
  // Two looks at the counts of signs, so that clocks of hosts need not agree.
  const std::vector<std::optional<SignOfLife>> before = read_all();
  std::this_thread::sleep_for(kWatch);
  const std::vector<std::optional<SignOfLife>> after = read_all();
  const double now = wall_seconds();
  std::vector<Observation> ranks(after.size());
  for (std::size_t rank = 0; rank < after.size(); ++rank) {
    ranks[rank].sign = after[rank];
    ranks[rank].silent = !after[rank] || (before[rank] && before[rank]->beats == after[rank]->beats &&
                                          after[rank]->state != SignOfLife::State::gave_up);
    if (after[rank]) ranks[rank].age_seconds = std::max(0.0, now - after[rank]->time_seconds);
  }
  ranks[static_cast<std::size_t>(sign_.rank)] = {sign_, false, 0};
  return describe_silence(ranks, sign_.rank, waited_seconds, timeout_seconds);
}

}  // namespace tessera::comm
