// SPDX-License-Identifier: Apache-2.0
// A tiny run that saves four times, and undisturbed ends of it to compare with.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "faults/checkpoint_file.hpp"
#include "faults/limited_command.hpp"
#include "faults/plan.hpp"
#include "faults/shared_page.hpp"
#include "faults/shim_settings.hpp"
#include "support/process.hpp"

namespace tessera::faults {

inline constexpr std::int64_t num_steps = 8, steps_between_saves = 2, kept_files = 2;
/// Where runs are stopped whose files are damaged afterwards: two files lie there, and a save is still to come.
inline constexpr std::int64_t stopped_step = 6;

/// "<run>/checkpoints/step-00000004.h5"
std::string checkpoint_path(const std::string& run, std::int64_t step);

/// One line of metrics.jsonl a step, without what depends on time and machine.
std::vector<std::string> comparable_steps(const std::string& run);

/// A run that nothing disturbed.
struct Reference {
  std::string stopped_run;                       ///< folder of the run after stopped_step
  std::uint64_t file_bytes = 0, disk_bytes = 0;  ///< size of its files, and what each takes: they have holes
  Tensors tensors;                               ///< of the last checkpoint
  std::vector<std::string> metrics;              ///< comparable_steps()
  std::vector<std::uint64_t> tiles;              ///< writes of tiles of each rank in a save
  std::uint64_t bytes_written = 0, syncs = 0, order = 0;
  double seconds = 0;  ///< from the start of the ranks to their end
};

class TestStand {
 public:
  /// Prepares text and configuration. Throws std::runtime_error if that fails.
  explicit TestStand(double limit_seconds);

  /// A new path for the folder of a run.
  std::string new_run();
  /// `tessera train` on that run with the shim as told; `folder` and `shared` of its settings are filled in.
  CommandResult train(
      const Round& round, const std::string& run, ShimSettings settings, const std::string& options = "",
      const std::function<void()>& meanwhile = [] {});
  /// What the shims of the present or last command note.
  const SharedPage& page() const { return *page_.operator->(); }
  /// The undisturbed run of that layout and way to save, made when first asked for. Throws std::runtime_error if it
  /// fails.
  const Reference& reference(const Round& round);

 private:
  std::unique_ptr<Reference> make_reference(const Round& round);

  testing::TestFolder folder_;
  std::string page_path_ = folder_ / "page", config_ = folder_ / "tiny.cfg";
  SharedFile page_ = SharedFile::create(page_path_);
  double limit_seconds_;
  int num_runs_ = 0;
  std::map<std::pair<const Layout*, bool>, std::unique_ptr<Reference>> references_;
};

}  // namespace tessera::faults
