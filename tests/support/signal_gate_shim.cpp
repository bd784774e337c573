// SPDX-License-Identifier: Apache-2.0
// A library for LD_PRELOAD that holds a rank at an instant until it has taken a signal (signal_gate.hpp): nothing of
// the program is for tests, and no test sleeps and hopes.
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <string_view>
#include <time.h>
#include <unistd.h>

namespace {

constexpr int kMostPolls = 12000;  // of 10 ms
constexpr int kGivenUp = 99;       // exit code of a rank that no signal reached

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_of_this_rank() {
  const std::string wanted = setting("TESSERA_GATE_RANK");
  if (wanted.empty()) return true;
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"})
    if (const char* rank = std::getenv(name)) return wanted == rank;
  return wanted == "0";
}

struct Gate {
  std::string call = setting("TESSERA_GATE_CALL"), file = setting("TESSERA_GATE_FILE");
  std::string log = setting("TESSERA_GATE_LOG"), reached = setting("TESSERA_GATE_REACHED");
  int lines = std::atoi(setting("TESSERA_GATE_LINES").c_str());
  int count = std::atoi(setting("TESSERA_GATE_COUNT").c_str());
  int signals = std::atoi(setting("TESSERA_GATE_SIGNALS").c_str());
  bool mine = is_of_this_rank();
  std::atomic<bool> armed = lines == 0;
  std::atomic<int> seen = 0;
};

Gate& gate() {
  static Gate the_gate;
  return the_gate;
}

std::atomic<int> waits = 0;  // calls of sigwait that were begun: the next one means that a signal was dealt with

/// True from the call on at which the log has its lines.
bool is_armed() {
  Gate& g = gate();
  if (g.armed) return true;
  std::ifstream log(g.log);
  int lines = 0;
  for (std::string line; std::getline(log, line);) ++lines;
  if (lines >= g.lines) g.armed = true;
  return g.armed;
}

bool is_watched(int descriptor) {
  char path[4096] = {};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  return ::readlink(link.c_str(), path, sizeof path - 1) > 0 && std::string_view(path).ends_with(gate().file);
}

/// The file `reached` tells the test, and later starts, that a rank came here: it holds its number of a process.
bool claim() {
  const int file = ::open(gate().reached.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return false;
  ::dprintf(file, "%d\n", static_cast<int>(::getpid()));
  ::close(file);
  return true;
}

/// Holds the rank if this is the call it is to be held in.
void pass() {
  Gate& g = gate();
  if (!is_armed() || ++g.seen != g.count || !claim()) return;
  constexpr timespec nap{0, 10'000'000};
  for (int polls = 0; waits <= g.signals; ++polls) {
    if (polls == kMostPolls) ::_exit(kGivenUp);
    ::nanosleep(&nap, nullptr);
  }
}

void pass_write(int descriptor) {
  if (gate().mine && gate().call == "write" && is_watched(descriptor)) pass();
}

void pass_product() {
  if (gate().mine && gate().call == "product") pass();
}

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int sigwait(const sigset_t* set, int* signal) {
  static const auto call = real<int(const sigset_t*, int*)>("sigwait");
  ++waits;
  return call(set, signal);
}

ssize_t pwrite(int descriptor, const void* data, std::size_t size, off_t offset) {
  static const auto call = real<ssize_t(int, const void*, std::size_t, off_t)>("pwrite");
  pass_write(descriptor);
  return call(descriptor, data, size, offset);
}

ssize_t pwrite64(int descriptor, const void* data, std::size_t size, off64_t offset) {
  return pwrite(descriptor, data, size, offset);
}

/// oneDNN's product of fp32 matrices, of which a micro-batch takes several in each layer.
int dnnl_sgemm(char a_form, char b_form, std::int64_t m, std::int64_t n, std::int64_t k, float alpha, const float* a,
               std::int64_t a_row, const float* b, std::int64_t b_row, float beta, float* c, std::int64_t c_row) {
  using Product = int(char, char, std::int64_t, std::int64_t, std::int64_t, float, const float*, std::int64_t,
                      const float*, std::int64_t, float, float*, std::int64_t);
  static const auto call = real<Product>("dnnl_sgemm");
  pass_product();
  return call(a_form, b_form, m, n, k, alpha, a, a_row, b, b_row, beta, c, c_row);
}

}  // extern "C"
