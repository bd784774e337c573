// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "faults/replay.hpp"
#include "faults/trial.hpp"
#include "json/json.hpp"

namespace tessera::faults {

/// What all rounds together show.
class Report {
 public:
  void add(const Outcome& outcome);

  /// Nothing was lost, corrupt or hanging, all was as documented, and every fault and point that was aimed at was hit.
  bool good() const;
  std::string table() const;
  std::string json() const;

 private:
  struct Count {
    std::string name;
    int rounds = 0, hit = 0, good = 0;
  };
  static Count& count(std::vector<Count>& counts, const std::string& name);

  std::vector<Count> faults_, means_, points_, layouts_, saves_;
  int rounds_ = 0, lost_ = 0, corrupt_ = 0, hung_ = 0, other_ = 0, launcher_stuck_ = 0;
  double seconds_ = 0;
};

/// One line of a round, and its problems below.
std::string describe(const Outcome& outcome);

/// Its numbers in a line; without the problems.
std::string describe(const ReplayResult& result);
json::Json to_json(const ReplayResult& result);

}  // namespace tessera::faults
