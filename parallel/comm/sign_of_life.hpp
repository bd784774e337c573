// SPDX-License-Identifier: Apache-2.0
// What the ranks publish of themselves, and which of them it shows to lag. No MPI: a lagging rank answers no message.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera::comm {

/// What a rank last said of itself.
struct SignOfLife {
  enum class State : std::uint8_t { computing, waiting, gave_up };
  int rank = 0;
  std::string host;
  std::int64_t pid = 0;
  std::int64_t step = -1;  ///< -1: before the first step
  State state = State::computing;
  std::string operation, group;  ///< waited for now, or last if it computes; empty before the first
  std::uint64_t waits = 0;       ///< begun so far
  std::uint64_t beats = 0;       ///< signs published so far
  double time_seconds = 0;       ///< wall clock of its host
};

/// One line of JSON, and back; nothing if the text is not a whole line of ours.
std::string to_line(const SignOfLife& sign);
std::optional<SignOfLife> from_line(const std::string& text);

/// One rank as seen by a rank that waited in vain.
struct Observation {
  std::optional<SignOfLife> sign;
  bool silent = false;     ///< published nothing while it was watched for longer than a waiting rank is ever silent
  double age_seconds = 0;  ///< of the sign
};

/// The message of rank `me` that waited `waited_seconds`: names the silent ranks, but for those silent less than half
/// as long as others, which are at work. If none is silent, it tells what each rank does: the ranks wait for each other
/// in different operations. `ranks`: of every rank, in rank order; that of `me` is not silent.
std::string describe_silence(const std::vector<Observation>& ranks, int me, double waited_seconds,
                             double timeout_seconds);

}  // namespace tessera::comm
