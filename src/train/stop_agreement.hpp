// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <utility>

#include "comm/communicator.hpp"

namespace tessera::train {

/// Whether some rank was asked to stop, as all ranks know it alike: a signal may reach one of them only, or some sooner
/// than others, and they must do the same all the time. Once agreed it stays so.
class StopAgreement {
 public:
  /// `requested`: whether this rank was asked. `ranks` must outlive this.
  StopAgreement(const comm::Communicator& ranks, std::function<bool()> requested)
      : ranks_(&ranks), requested_(std::move(requested)) {}

  /// This rank's own request, which others need not know of.
  bool is_asked_here() const { return requested_(); }
  /// Whether all ranks know that it is time to stop; and which rank, the lowest one, was asked: -1 before.
  bool is_agreed() const { return asked_rank_ >= 0; }
  int asked_rank() const { return asked_rank_; }

  /// Asks all ranks, unless it is agreed already. Returns is_agreed(). Collective.
  bool ask();
  /// What another message told all ranks: the lowest rank that was asked, -1 if none was.
  void note(int asked_rank);

 private:
  const comm::Communicator* ranks_;
  std::function<bool()> requested_;
  int asked_rank_ = -1;
};

}  // namespace tessera::train
