// SPDX-License-Identifier: Apache-2.0
#include "train/stop_agreement.hpp"

namespace tessera::train {

bool StopAgreement::ask() {
  if (is_agreed()) return true;
  const int size = ranks_->size();
  const double lowest = is_asked_here() ? size - ranks_->rank() : 0;
  const auto largest = static_cast<int>(ranks_->max(lowest, "request to stop"));
  note(largest > 0 ? size - largest : -1);
  return is_agreed();
}

void StopAgreement::note(int asked_rank) {
  if (!is_agreed()) asked_rank_ = asked_rank;
}

}  // namespace tessera::train
