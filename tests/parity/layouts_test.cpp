// SPDX-License-Identifier: Apache-2.0
// Every layout of eight ranks against one process: gradients, norms, losses and weights within the contract's bounds,
// the same bits where they are promised, and bytes as the formulas say.
#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "parity/selftest.hpp"
#include "tensor/library.hpp"

namespace tessera::testing {
namespace {

/// Layouts that docs/parallelism.md promises, counted here anew, by name.
std::map<std::string, int> demanded() {
  std::map<std::string, int> names;
  for (const int data : {1, 2, 4})
    for (const int pipeline : {1, 2, 4})
      for (const int tensor : {1, 2, 4}) {
        if (data * pipeline * tensor == 1 || data * pipeline * tensor > 8) continue;
        const std::string mesh = "data " + std::to_string(data) + ", pipeline " + std::to_string(pipeline) +
                                 ", tensor " + std::to_string(tensor);
        std::vector<std::string> schedules{""}, sequences{""}, zeros{""};
        if (pipeline > 1) schedules = {", 1f1b", ", gpipe", ", interleaved", ", zero_bubble"};
        if (tensor > 1) sequences.push_back(", sequence");
        if (data > 1) zeros = {", zero 0", ", zero 1", ", zero 2"};
        if (data > 1 && pipeline > 1) zeros.pop_back();
        for (const std::string& sequence : sequences) {
          for (const std::string& schedule : schedules)
            for (const std::string& zero : zeros) ++names[mesh + schedule + sequence + zero + ", norm clipped"];
          ++names[mesh + schedules.front() + sequence + zeros.front() + ", values clipped"];
        }
      }
  return names;
}

/// Pairs of a part of a layout's name and how many layouts have it, beyond those of demanded().
const std::vector<std::pair<std::string, int>> kSelected = {{"micro-batch", 9}, {"reduce mpi", 4},  {"wire bf16", 4},
                                                            {"recompute", 9},   {"other model", 5}, {", bf16", 5}};

bool has(const std::string& layout, const std::string& part) {
  return layout.find(part) != std::string::npos;
}

/// Largest differences of a kind of layouts, for the log.
class Largest {
 public:
  void add(const std::string& kind, const json::Json& layout) {
    std::vector<double>& worst = kinds_[kind];
    worst.resize(std::size(kColumns));
    for (std::size_t i = 0; i < std::size(kColumns); ++i)
      worst[i] = std::max(worst[i], layout.at(kColumns[i]).as_double());
    ++counts_[kind];
  }
  void print() const {
    std::printf("%-36s %8s", "largest differences", "layouts");
    for (const char* column : kColumns) std::printf(" %22s", column);
    for (const auto& [kind, worst] : kinds_) {
      std::printf("\n%-36s %8d", kind.c_str(), counts_.at(kind));
      for (const double value : worst) std::printf(" %22.1e", value);
    }
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  static constexpr const char* kColumns[] = {"gradient_difference", "grad_norm_difference", "loss_difference",
                                             "weight_difference"};
  std::map<std::string, std::vector<double>> kinds_;
  std::map<std::string, int> counts_;
};

/// "fp32, tensor, sequence, pipeline, data": what a layout is made of.
std::string kind_of(const std::string& layout) {
  for (const std::string apart : {"wire bf16", "bf16", "reduce mpi", "other model"})
    if (has(layout, apart)) return apart;
  std::string axes;
  for (const std::string axis : {"data", "pipeline", "tensor"})
    if (!has(layout, axis + " 1")) axes += (axes.empty() ? "" : " x ") + axis;
  return "fp32, " + (axes.empty() ? "one process" : axes) + (has(layout, "sequence") ? ", sequence" : "");
}

/// Layouts that have the bits of another one: any schedule but the first and any zero stage whose sums are those of
/// zero 0, and what is recomputed.
bool must_have_twin(const std::string& layout) {
  if (has(layout, "recompute") || has(layout, "threads")) return true;
  for (const std::string apart : {"bf16", "reduce mpi", "other model"})
    if (has(layout, apart)) return false;
  if (has(layout, "values clipped")) return false;  // first schedule and zero stage only
  for (const std::string schedule : {"gpipe", "interleaved", "zero_bubble"})
    if (has(layout, schedule)) return true;
  return has(layout, "zero 1") || (has(layout, "zero 2") && has(layout, "micro-batch"));
}

BOOST_AUTO_TEST_CASE(every_layout_of_eight_ranks_equals_one_process) {
  const ProcessResult result = selftest(8);
  BOOST_TEST(result.exit_code == 0, "exit code " << result.exit_code << "\n" << result.errors);
  std::map<std::string, int> found;
  Largest largest;
  for (const json::Json& layout : layouts_of(result)) {
    const std::string& name = layout.at("layout").as_string();
    ++found[name];
    BOOST_TEST(passes(layout), layout.dump());
    for (const char* what : {"initial_weights_equal", "samples_equal", "ranks_equal", "bytes_as_predicted"})
      BOOST_TEST(layout.at(what).as_bool(), what << ": " << layout.dump());
    const json::Json* twin = layout.find("twin_equal");
    BOOST_TEST((twin ? twin->as_bool() : !must_have_twin(name)), layout.dump());
    // One process' bits: pipelines alone, whatever their schedule.
    if (has(name, "data 1,") && has(name, "tensor 1")) BOOST_TEST(layout.at("bit_equal").as_bool(), layout.dump());
    largest.add(kind_of(name), layout);
  }
  largest.print();

  const std::map<std::string, int> wanted = demanded();
  BOOST_TEST(wanted.size() == 100U + 25U);  // norms clipped with everything, values with shapes and sequence alone
  std::set<std::string> missing;
  for (const auto& [name, count] : wanted)
    if (!found.contains(name) || found.at(name) < count) missing.insert(name);
  for (const std::string& name : missing) BOOST_ERROR("not compared: " << name);
  int twice = 0;
  for (const auto& [name, count] : found) twice += count > 1 ? 1 : 0;
  BOOST_TEST(twice >= 16 + 1);  // each shape, and one process
  if (!tensor::has_bf16_products()) std::cout << "SKIPPED: layouts in bf16: this CPU multiplies none" << std::endl;
  for (const auto& [part, count] : kSelected) {
    if (part == ", bf16" && !tensor::has_bf16_products()) continue;
    const auto with_part =
        std::count_if(found.begin(), found.end(), [&](const auto& entry) { return has(entry.first, part); });
    BOOST_TEST(with_part == count, part << " in " << with_part << " layouts instead of " << count);
  }
}

}  // namespace
}  // namespace tessera::testing
