// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fmt/core.h>
#include <functional>
#include <optional>
#include <unistd.h>
#include <utility>

#include "base/stopwatch.hpp"
#include "comm/together.hpp"
#include "jobs/mpirun.hpp"
#include "jobs/program.hpp"
#include "json/json.hpp"
#include "plan/traffic.hpp"
#include "tensor/library.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"
#include "tools/launcher.hpp"
#include "tools/synthetic.hpp"
#include "train/layouts.hpp"
#include "train/parity.hpp"
#include "train/replica.hpp"

namespace tessera::tools {
namespace {

const std::vector<config::Flag> kFlags = {
    {"ranks", true, "start N ranks with mpirun (without it: the ranks of this job)"},
    {"break", true, "make a known mistake, to see that the table turns red: exit code 1"},
    {"full", false, "clip values with every schedule and zero stage too (half as long again)"},
    {"json", false, "print one JSON object"},
};

/// Faults by the names that --break takes.
constexpr std::pair<const char*, base::Fault> kFaults[] = {
    {"gradient-bucket", base::Fault::gradient_bucket},
    {"stage-swap", base::Fault::stage_swap},
    {"tied-embedding", base::Fault::tied_embedding},
    {"partial-sum", base::Fault::partial_sum},
    {"gradient-scale", base::Fault::gradient_scale},
    {"sequence-layernorm", base::Fault::sequence_layernorm},
    {"row-bias", base::Fault::row_bias},
    {"norm-double-count", base::Fault::norm_double_count},
    {"dropout-rank", base::Fault::dropout_rank},
};

base::Fault fault_of(const std::string& name) {
  std::string names;
  for (const auto& [known, fault] : kFaults) {
    if (name == known) return fault;
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  base::fail_usage("--break = '{}' is no known fault; the known ones: {}", name, names);
}

/// What a layout showed.
struct Row {
  std::string layout;
  train::ParityResult result;
  train::ParityBounds bounds{};
  bool has_twin = false, twin_equal = true;  // bit for bit
  bool bytes_equal = false;                  // memory and messages of each rank are those of their formulas
  std::vector<train::RankBytes> bytes;
  double seconds = 0;
  bool passed() const { return result.passed(bounds) && twin_equal && bytes_equal; }
};

bool same_bits(const train::ParityRecord& a, const train::ParityRecord& b) {
  return a.weights == b.weights && a.losses == b.losses && a.grad_norms == b.grad_norms;
}

bool bytes_are_as_predicted(const config::Config& config, const comm::MeshShape& mesh,
                            const std::vector<train::RankBytes>& bytes) {
  for (int place = 0; place < mesh.size(); ++place) {
    const train::RankBytes& rank = bytes[static_cast<std::size_t>(place)];
    const plan::Traffic traffic =
        plan::predict_traffic(config, mesh, mesh.at(place), static_cast<int>(rank.data_ranks_per_node));
    const plan::StateBytes state = plan::predict_state(config, mesh, mesh.at(place));
    const auto fits = [&](std::uint64_t measured, std::uint64_t predicted) {
      return measured >= predicted && measured <= predicted + state.padding;
    };
    if (traffic != plan::Traffic{rank.data_axis, rank.tensor_axis, rank.pipeline_axis}) return false;
    if (!fits(rank.weights, state.weights) || !fits(rank.gradients, state.gradients) ||
        !fits(rank.moments, state.moments))
      return false;
  }
  return true;
}

/// All layouts on the first ranks of the world, each against one process.
class Comparison {
 public:
  Comparison(const comm::Communicator& world, const train::TokenRange& tokens, base::Fault fault,
             train::Crossing crossing)
      : world_(world),
        tokens_(tokens),
        fault_(fault),
        cases_(train::parity_cases(world.size(), tensor::has_bf16_products(), crossing)),
        records_(cases_.size()) {}

  std::vector<Row> run(const std::function<void(const Row&)>& show);

 private:
  Row run_case(int number);
  train::ParityRecord& record(int number) { return records_[static_cast<std::size_t>(number)]; }

  const comm::Communicator& world_;
  const train::TokenRange& tokens_;
  base::Fault fault_;
  std::vector<train::ParityCase> cases_;
  std::vector<train::ParityRecord> records_;  // every rank keeps those it took part in
};

Row Comparison::run_case(int number) {
  const train::ParityCase& one = cases_[static_cast<std::size_t>(number)];
  const base::Clock::time_point start = base::Clock::now();
  Row row;
  row.layout = one.name();
  row.bounds = one.bounds();
  const comm::Communicator group = world_.split(world_.rank() < one.mesh.size() ? 0 : -1);
  if (group.size() > 0) {
    const comm::Mesh mesh(group, one.mesh);
    tensor::Device device(one.threads);
    const config::Config config = one.config();
    const base::Fault fault = one.mesh.size() > 1 ? fault_ : base::Fault::none;
    record(number) = train::record_run(mesh, device, config, tokens_, fault);
    if (world_.rank() == 0) {  // it took part in all
      row.result = train::compare(record(number), record(train::reference_of(cases_, number)));
      row.has_twin = one.twin >= 0;
      row.twin_equal = one.twin < 0 || same_bits(record(number), record(one.twin));
      row.bytes = record(number).bytes;
      row.bytes_equal = bytes_are_as_predicted(config, one.mesh, row.bytes);
    }
  }
  world_.barrier("end of a layout");
  row.seconds = base::seconds_since(start);
  return row;
}

std::vector<Row> Comparison::run(const std::function<void(const Row&)>& show) {
  std::vector<Row> rows;
  for (int number = 0; number < static_cast<int>(cases_.size()); ++number) {
    rows.push_back(run_case(number));
    show(rows.back());
  }
  return rows;
}

std::uint64_t most(const std::vector<train::RankBytes>& ranks, std::uint64_t train::RankBytes::*member) {
  std::uint64_t value = 0;
  for (const train::RankBytes& rank : ranks) value = std::max(value, rank.*member);
  return value;
}

constexpr std::pair<const char*, std::uint64_t train::RankBytes::*> kBytes[] = {
    {"weight_bytes", &train::RankBytes::weights},          {"gradient_bytes", &train::RankBytes::gradients},
    {"moment_bytes", &train::RankBytes::moments},          {"data_axis_bytes", &train::RankBytes::data_axis},
    {"tensor_axis_bytes", &train::RankBytes::tensor_axis}, {"pipeline_axis_bytes", &train::RankBytes::pipeline_axis},
};

json::Json to_json(const std::vector<Row>& rows) {
  json::Json list{json::Array{}};
  for (const Row& row : rows) {
    json::Json entry{json::Object{}};
    entry.set("layout", row.layout)
        .set("loss_difference", row.result.loss)
        .set("gradient_difference", row.result.gradient);
    entry.set("gradient_tensor", row.result.gradient_name);
    entry.set("grad_norm_difference", row.result.grad_norm).set("weight_difference", row.result.weight);
    entry.set("initial_weights_equal", row.result.initial_equal).set("samples_equal", row.result.samples_equal);
    entry.set("ranks_equal", row.result.ranks_equal);
    entry.set("bit_equal", row.result.bit_equal);
    if (row.has_twin) entry.set("twin_equal", row.twin_equal);
    for (const auto& [name, member] : kBytes) entry.set(name, most(row.bytes, member));
    entry.set("bytes_as_predicted", row.bytes_equal).set("verdict", row.passed() ? "pass" : "fail");
    list.push(std::move(entry));
  }
  json::Json object{json::Object{}};
  object.set("layouts", std::move(list));
  return object;
}

void print_head() {
  fmt::print("{:<88} {:>8} {:>8} {:>8} {:>8} {:>6} {:>24} {:>26}  {}\n", "layout", "gradient", "norm", "loss", "weight",
             "bits", "KiB of state a rank", "KiB a step d / t / p", "verdict");
}

/// What a row failed in, for people.
std::string why(const Row& row) {
  std::string reasons;
  const auto add = [&](bool failed, const std::string& reason) {
    if (failed) reasons += (reasons.empty() ? " (" : ", ") + reason;
  };
  const train::ParityResult& result = row.result;
  add(!result.initial_equal, "initial weights");
  add(!result.samples_equal, "samples");
  add(!result.ranks_equal, "copies differ");
  add(!(result.gradient <= row.bounds.gradient), "gradient of " + result.gradient_name);
  add(!(result.grad_norm <= row.bounds.grad_norm), "gradient norm");
  add(!(result.loss <= row.bounds.loss), "loss");
  add(!(result.weight <= row.bounds.weight), "weights");
  add(!row.twin_equal, "bits");
  add(!row.bytes_equal, "bytes");
  return reasons.empty() ? "" : reasons + ")";
}

void print_row(const Row& row) {
  const auto kib = [&](std::uint64_t train::RankBytes::*member) { return (most(row.bytes, member) + 512) / 1024; };
  using Bytes = train::RankBytes;
  fmt::print("{:<88} {:>8.0e} {:>8.0e} {:>8.0e} {:>8.0e} {:>6} {:>24} {:>26}  {}{}\n", row.layout, row.result.gradient,
             row.result.grad_norm, row.result.loss, row.result.weight, row.result.bit_equal ? "equal" : "-",
             fmt::format("{} + {} + {}", kib(&Bytes::weights), kib(&Bytes::gradients), kib(&Bytes::moments)),
             fmt::format("{} / {} / {}", kib(&Bytes::data_axis), kib(&Bytes::tensor_axis), kib(&Bytes::pipeline_axis)),
             row.passed() ? "pass" : "FAIL", why(row));
  std::fflush(stdout);
}

void print_end(const std::vector<Row>& rows) {
  train::ParityResult worst;
  std::size_t num_failed = 0;
  double seconds = 0;
  for (const Row& row : rows) {
    seconds += row.seconds;
    if (!row.passed()) ++num_failed;
    if (row.bounds.gradient != train::fp32_bounds.gradient) continue;
    worst.gradient = std::max(worst.gradient, row.result.gradient);
    worst.grad_norm = std::max(worst.grad_norm, row.result.grad_norm);
    worst.loss = std::max(worst.loss, row.result.loss);
    worst.weight = std::max(worst.weight, row.result.weight);
  }
  const auto line = [](const char* name, double gradient, double norm, double loss, double weight) {
    fmt::print("{:<88} {:>8.0e} {:>8.0e} {:>8.0e} {:>8.0e}\n", name, gradient, norm, loss, weight);
  };
  line("largest in fp32", worst.gradient, worst.grad_norm, worst.loss, worst.weight);
  const train::ParityBounds& bounds = train::fp32_bounds;
  line("bound in fp32", bounds.gradient, bounds.grad_norm, bounds.loss, bounds.weight);
  fmt::print("{} layouts in {:.0f} s, {} failed\n", rows.size(), seconds, num_failed);
}

}  // namespace

/// `--ranks N` without mpirun: replaces this process by `mpirun -n N tessera selftest`. MPI must not have started yet,
/// as the new program would inherit its traces.
std::optional<base::ExitCode> start_selftest_ranks(const std::vector<std::string>& arguments) {
  if (wants_help(arguments) || is_started_by_launcher()) return {};
  const config::ParsedFlags parsed = config::parse_flags(arguments, kFlags);
  const auto ranks = parsed.flags.find("ranks");
  if (ranks == parsed.flags.end()) return {};
  const int wanted = parse_ranks(ranks->second.back());
  if (wanted == 1) return {};
  std::vector<std::string> words = jobs::mpirun_words(wanted);
  words.insert(words.end(), {jobs::path_of_this_program(), "selftest"});
  for (const char* flag : {"--json", "--full"})
    if (parsed.flags.contains(flag + 2)) words.emplace_back(flag);
  const auto fault = parsed.flags.find("break");
  if (fault != parsed.flags.end()) {
    fault_of(fault->second.back());  // before ranks are started
    words.insert(words.end(), {"--break", fault->second.back()});
  }
  std::vector<char*> command;
  for (std::string& word : words) command.push_back(word.data());
  command.push_back(nullptr);
  std::fflush(nullptr);
  ::execvp(command[0], command.data());
  base::fail("cannot start {0}: {1}; start it yourself: {0} -n {2} tessera selftest", words[0], std::strerror(errno),
             wanted);
}

base::ExitCode run_selftest(Invocation& invocation) {
  const PlainCall call = shared_call(invocation, "selftest", kFlags);
  if (call.help_shown()) return base::ExitCode::done;
  const comm::Communicator& world = invocation.world;
  std::optional<data::TokenFile> file;
  base::Fault fault = base::Fault::none;
  comm::together(world, "data of the self-test", [&] {
    const int wanted = call.has("ranks") ? parse_ranks(call.required("ranks")) : world.size();
    if (wanted != world.size())
      base::fail_usage("--ranks = {}, but mpirun started {} rank(s): leave --ranks out", wanted, world.size());
    if (call.has("break")) fault = fault_of(call.required("break"));
    if (fault != base::Fault::none && world.size() == 1)
      base::fail_usage("--break = '{}' is a mistake between ranks, and there is one: use --ranks 4",
                       call.required("break"));
    file.emplace(synthetic_tokens(1 << 14, 256));  // documents end within sequences
  });
  train::require_same_kernels(world, *make_device(world, 1));
  const train::TokenRange tokens{&*file, 0, file->num_tokens()};
  const bool shows = invocation.is_root() && !call.has("json");
  if (shows) print_head();
  const train::Crossing crossing = fault != base::Fault::none ? train::Crossing::brief
                                   : call.has("full")         ? train::Crossing::full
                                                              : train::Crossing::usual;
  const std::vector<Row> rows = Comparison(world, tokens, fault, crossing).run([&](const Row& row) {
    if (shows) print_row(row);
  });
  bool passed = true;
  for (const Row& row : rows) passed = passed && row.passed();
  if (invocation.is_root() && call.has("json")) fmt::print("{}\n", to_json(rows).dump());
  if (shows) print_end(rows);
  const bool all_passed = world.max(invocation.is_root() && !passed ? 1.0 : 0.0, "verdict") < 0.5;
  return all_passed ? base::ExitCode::done : base::ExitCode::failed;
}

}  // namespace tessera::tools
