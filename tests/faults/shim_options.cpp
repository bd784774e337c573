// SPDX-License-Identifier: Apache-2.0
#include "faults/shim_options.hpp"

#include <filesystem>
#include <fmt/core.h>

#include "support/process.hpp"

namespace tessera::faults {

namespace fs = std::filesystem;

namespace {

/// Where the library is to be loaded from: LD_PRELOAD is a list with blanks between, and there may be one in its path.
std::string path_without_blanks(const ShimSettings& settings) {
  const fs::path link = fs::path(settings.shared).parent_path() / "fault_shim.so";
  if (!fs::exists(link)) fs::create_symlink(TESSERA_FAULT_SHIM, link);
  return link.string();
}

}  // namespace

std::string shim_options(const ShimSettings& settings) {
  std::string options;
  const auto add = [&](const char* name, const std::string& value) {
    options += fmt::format(" -x {}={}", name, testing::shell_quoted(value));
  };
  add("LD_PRELOAD", path_without_blanks(settings));
  add("TESSERA_FAULT_FOLDER", settings.folder);
  add("TESSERA_FAULT_SHARED", settings.shared);
  if (!settings.log.empty()) add("TESSERA_FAULT_LOG", settings.log);
  if (settings.point) {
    add("TESSERA_FAULT_POINT", name_of(*settings.point));
    add("TESSERA_FAULT_STEP", std::to_string(settings.step));
    add("TESSERA_FAULT_RANK", std::to_string(settings.rank));
    add("TESSERA_FAULT_TILE", std::to_string(settings.tile));
  }
  if (settings.order > 0) add("TESSERA_FAULT_ORDER", std::to_string(settings.order));
  if (!settings.victim.empty()) add("TESSERA_FAULT_VICTIM", settings.victim);
  if (settings.quota_bytes >= 0) add("TESSERA_FAULT_QUOTA", std::to_string(settings.quota_bytes));
  if (settings.no_reserving) add("TESSERA_FAULT_NO_RESERVING", "1");
  if (!settings.read_only.empty()) add("TESSERA_FAULT_READ_ONLY", settings.read_only);
  if (settings.failing_sync > 0) add("TESSERA_FAULT_SYNC", std::to_string(settings.failing_sync));
  if (!settings.delayed.empty()) {
    add("TESSERA_FAULT_DELAYED", settings.delayed);
    add("TESSERA_FAULT_DELAY", std::to_string(settings.delay_microseconds));
  }
  return options;
}

}  // namespace tessera::faults
