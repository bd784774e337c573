// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fmt/core.h>
#include <optional>
#include <unistd.h>

#include "comm/together.hpp"
#include "json/json.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/synthetic.hpp"
#include "train/parity.hpp"
#include "train/replica.hpp"

namespace tessera::tools {
namespace {

const std::vector<config::Flag> kFlags = {
    {"ranks", true, "start N ranks with mpirun (without it: the ranks of this job)"},
    {"json", false, "print one JSON object"},
};

/// Below the gradient norm of the first steps, so that it clips.
constexpr double kClipNorm = 0.5;

struct Row {
  std::string layout;
  train::ParityResult result;
  bool must_be_bit_equal = false;
  bool passed() const { return result.passed() && (!must_be_bit_equal || result.bit_equal); }
};

bool is_started_by_launcher() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") || std::getenv("PMI_SIZE") || std::getenv("PMIX_RANK");
}

/// What all layouts train on, and how.
struct Training {
  const comm::Communicator& world;
  train::TokenRange tokens;
  double clip_norm;  // 0: off
};

/// Runs the layout of `data` ranks on the first ranks of the world and compares with `reference` (filled by the first
/// call).
Row run_layout(const Training& training, int data, int threads, train::ParityRecord& reference, bool repeat) {
  const comm::Communicator& world = training.world;
  Row row;
  row.layout = fmt::format("data {}, {} thread(s){}{}", data, threads, training.clip_norm > 0 ? ", clipped" : "",
                           repeat ? ", again" : "");
  const comm::Communicator group = world.split(world.rank() < data ? 0 : -1);
  if (group.size() > 0) {
    tensor::Device device(threads);
    const config::Config config = train::parity_config(257, 4, training.clip_norm);
    const train::ParityRecord record = train::record_run(group, device, config, training.tokens);
    if (reference.names.empty()) reference = record;
    row.result = train::compare(record, reference);
  }
  world.barrier("end of a layout");
  return row;
}

/// Every layout that fits into the world against one process.
void run_layouts(const Training& training, std::vector<Row>& rows) {
  train::ParityRecord reference;
  rows.push_back(run_layout(training, 1, 1, reference, false));
  for (const int threads : {1, 2, 3}) {  // the same bits for any number of threads, and twice
    rows.push_back(run_layout(training, 1, threads, reference, threads == 1));
    rows.back().must_be_bit_equal = true;
  }
  for (int data = 2; data <= std::min(4, training.world.size()); data *= 2) {
    rows.push_back(run_layout(training, data, 1, reference, false));
    train::ParityRecord first;  // the same layout twice
    run_layout(training, data, 1, first, false);
    rows.push_back(run_layout(training, data, 1, first, true));
    rows.back().must_be_bit_equal = true;
  }
}

json::Json to_json(const std::vector<Row>& rows) {
  json::Json list{json::Array{}};
  for (const Row& row : rows) {
    json::Json entry{json::Object{}};
    entry.set("layout", row.layout)
        .set("loss_difference", row.result.loss)
        .set("gradient_difference", row.result.gradient);
    entry.set("grad_norm_difference", row.result.grad_norm).set("weight_difference", row.result.weight);
    entry.set("initial_weights_equal", row.result.initial_equal).set("samples_equal", row.result.samples_equal);
    entry.set("ranks_equal", row.result.ranks_equal);
    entry.set("bit_equal", row.result.bit_equal).set("verdict", row.passed() ? "pass" : "fail");
    list.push(std::move(entry));
  }
  json::Json object{json::Object{}};
  object.set("layouts", std::move(list));
  return object;
}

void print_table(const std::vector<Row>& rows) {
  fmt::print("{:<36} {:>10} {:>10} {:>10} {:>10} {:>6}  {}\n", "layout", "gradient", "grad norm", "loss", "weight",
             "bits", "verdict");
  for (const Row& row : rows)
    fmt::print("{:<36} {:>10.1e} {:>10.1e} {:>10.1e} {:>10.1e} {:>6}  {}\n", row.layout, row.result.gradient,
               row.result.grad_norm, row.result.loss, row.result.weight, row.result.bit_equal ? "equal" : "-",
               row.passed() ? "pass" : "FAIL");
  fmt::print("{:<36} {:>10.0e} {:>10.0e} {:>10.0e} {:>10.0e}\n", "bound", train::ParityBounds::gradient,
             train::ParityBounds::grad_norm, train::ParityBounds::loss, train::ParityBounds::weight);
}

}  // namespace

/// `--ranks N` without mpirun: replaces this process by `mpirun -n N tessera selftest`. MPI must not have started yet,
/// as the new program would inherit its traces.
void start_selftest_ranks(const std::vector<std::string>& arguments) {
  if (wants_help(arguments) || is_started_by_launcher()) return;
  const config::ParsedFlags parsed = config::parse_flags(arguments, kFlags);
  const auto ranks = parsed.flags.find("ranks");
  if (ranks == parsed.flags.end()) return;
  const int wanted = parse_ranks(ranks->second.back());
  if (wanted == 1) return;
  char self[4096] = {};
  if (::readlink("/proc/self/exe", self, sizeof self - 1) < 0)
    base::fail("cannot find this program: {}", std::strerror(errno));
  const std::string count = std::to_string(wanted);
  std::vector<const char*> command = {"mpirun",    "-n",   count.c_str(), "--oversubscribe",
                                      "--bind-to", "none", self,          "selftest"};
  if (parsed.flags.contains("json")) command.push_back("--json");
  command.push_back(nullptr);
  std::fflush(nullptr);
  ::execvp("mpirun", const_cast<char* const*>(command.data()));
  base::fail("cannot start mpirun: {}; start it yourself: mpirun -n {} tessera selftest", std::strerror(errno), wanted);
}

base::ExitCode run_selftest(Invocation& invocation) {
  const PlainCall call = shared_call(invocation, "selftest", kFlags);
  if (call.help_shown()) return base::ExitCode::done;
  const comm::Communicator& world = invocation.world;
  std::optional<data::TokenFile> file;
  comm::together(world, "data of the self-test", [&] {
    const int wanted = call.has("ranks") ? parse_ranks(call.required("ranks")) : world.size();
    if (wanted != world.size())
      base::fail_usage("--ranks = {}, but mpirun started {} rank(s): leave --ranks out", wanted, world.size());
    file.emplace(synthetic_tokens(1 << 14));
  });
  train::require_same_kernels(world, *make_device(world, 1));
  const train::TokenRange tokens{&*file, 0, file->num_tokens()};
  std::vector<Row> rows;
  for (const double clip_norm : {0.0, kClipNorm}) run_layouts({world, tokens, clip_norm}, rows);
  bool passed = true;
  for (const Row& row : rows) passed = passed && row.passed();
  if (invocation.is_root()) {
    if (call.has("json"))
      fmt::print("{}\n", to_json(rows).dump());
    else
      print_table(rows);
  }
  const bool all_passed = world.max(invocation.is_root() && !passed ? 1.0 : 0.0, "verdict") < 0.5;
  return all_passed ? base::ExitCode::done : base::ExitCode::failed;
}

}  // namespace tessera::tools
