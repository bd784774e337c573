// SPDX-License-Identifier: Apache-2.0
// How a test has a signal arrive at a known instant of a training: in the middle of an evaluation, a save or a step.
#pragma once

#include <string>

namespace tessera::testing {

/// The instant: the first call of a rank, or a later one, of the kind that is named and since a log has its lines.
struct GateInstant {
  std::string call;    ///< "product": of two matrices, in any step or evaluation; "write": into a checkpoint
  std::string file{};  ///< of "write": how the name of the file ends, as in step-00000004.h5.tmp
  std::string log{};   ///< calls count once this file has
  int lines = 0;       ///< so many lines; metrics.jsonl: in the step, or the evaluation, behind that line
  int count = 1;       ///< which of them
  int rank = -1;       ///< whose; -1: of any rank, the first that comes
  int signals = 1;     ///< that it is held until it has taken
};

/// Holds one rank of a training at an instant until it has taken a signal: it goes on when the request to stop is
/// noted, not before. A gate holds once: later starts of the run pass. A rank to which no signal comes within two
/// minutes ends with 99.
class SignalGate {
 public:
  /// `folder` must exist and be seen by all ranks.
  SignalGate(const std::string& folder, const GateInstant& instant);

  /// A program to be started in place of tessera, by a shell, mpirun or srun (TESSERA_BINARY of slurm/train.sbatch).
  const std::string& program() const { return program_; }
  /// File that exists once the rank is held; it holds the number of its process on its node.
  const std::string& reached() const { return reached_; }
  /// Shell text that waits until the rank is held, or a command succeeds; after a minute it goes on all the same.
  std::string wait(const std::string& or_until = "false") const;

 private:
  std::string program_, reached_;
};

}  // namespace tessera::testing
