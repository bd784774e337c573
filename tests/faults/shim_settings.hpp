// SPDX-License-Identifier: Apache-2.0
// What the shim does in a rank, told by environment variables. The harness sets them (shim_options.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "faults/points.hpp"

namespace tessera::faults {

struct ShimSettings {
  std::string folder;             ///< TESSERA_FAULT_FOLDER: absolute; only what is below it is watched
  std::string shared;             ///< TESSERA_FAULT_SHARED: file of the page that ranks and harness share
  std::string log;                ///< TESSERA_FAULT_LOG: existing folder for a log of operations a rank; "": none
  std::optional<Point> point;     ///< TESSERA_FAULT_POINT: where somebody is killed
  std::int64_t step = 0;          ///< TESSERA_FAULT_STEP: in the save of which step
  int rank = -1;                  ///< TESSERA_FAULT_RANK: whose passing of the point counts; -1: of the first that does
  std::uint64_t tile = 0;         ///< TESSERA_FAULT_TILE: which write of the rank's tiles is the half
  std::uint64_t order = 0;        ///< TESSERA_FAULT_ORDER: or, without a point, at which operation or its end; 0: none
  std::string victim;             ///< TESSERA_FAULT_VICTIM: "self", "all" or a rank
  std::int64_t quota_bytes = -1;  ///< TESSERA_FAULT_QUOTA: more than that cannot be written: ENOSPC; -1: all can
  bool no_reserving = false;      ///< TESSERA_FAULT_NO_RESERVING: 1: files take no room in advance: EOPNOTSUPP
  std::string read_only;          ///< TESSERA_FAULT_READ_ONLY: "EROFS" or "EACCES" for all that changes; "": none
  std::uint64_t failing_sync = 0;        ///< TESSERA_FAULT_SYNC: which flush of all saves ends in EIO; 0: none
  std::string delayed;                   ///< TESSERA_FAULT_DELAYED: "all" or a rank
  std::uint64_t delay_microseconds = 0;  ///< TESSERA_FAULT_DELAY: how long each of its writes is held up
};

}  // namespace tessera::faults
