// SPDX-License-Identifier: Apache-2.0
#include "metrics/progress.hpp"

#include <cstdio>
#include <cstdlib>
#include <fmt/core.h>
#include <string_view>
#include <unistd.h>

#include "base/units.hpp"

namespace tessera::metrics {
namespace {

/// Where standard output is closed or full a training goes on: fmt::print would throw, main looks at the end.
void show(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

/// mpirun gives its ranks a pseudo-terminal of its own, so there its own standard output is looked at: it is the parent
/// of the ranks on the first node.
bool writes_to_terminal() {
  if (!isatty(STDOUT_FILENO)) return false;
  if (!std::getenv("OMPI_COMM_WORLD_SIZE")) return true;
  char target[64] = {};
  const std::string link = fmt::format("/proc/{}/fd/1", getppid());
  if (readlink(link.c_str(), target, sizeof target - 1) < 0) return false;
  return std::string_view(target).starts_with("/dev/pts/") || std::string_view(target).starts_with("/dev/tty");
}

Progress::Progress(bool silent) : silent_(silent), terminal_(writes_to_terminal()) {
  const char* no_color = std::getenv("NO_COLOR");
  color_ = terminal_ && !(no_color && *no_color);
}

Progress::~Progress() {
  if (open_) show("\n");
}

void Progress::step(const ProgressStep& step) {
  if (silent_) return;
  const std::string loss = fmt::format(fmt::runtime(color_ ? "\x1b[1m{:.4f}\x1b[0m" : "{:.4f}"), step.loss);
  const std::string text =
      fmt::format("step {}/{}  loss {}  {} tokens/s  {:.1f} GFLOP/s  {} left", step.step, step.steps, loss,
                  base::format_short(step.tokens_per_second), step.gflops, base::format_seconds(step.seconds_left));
  show((terminal_ ? "\r\x1b[K" : "") + text + (terminal_ ? "" : "\n"));
  open_ = terminal_;
}

void Progress::line(const std::string& text) {
  if (silent_) return;
  show((open_ ? "\r\x1b[K" : "") + text + "\n");
  open_ = false;
}

void Progress::finish() {
  if (open_) show("\n");
  open_ = false;
}

}  // namespace tessera::metrics
