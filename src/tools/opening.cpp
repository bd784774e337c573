// SPDX-License-Identifier: Apache-2.0
#include "tools/opening.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "base/file_system.hpp"
#include "base/units.hpp"
#include "base/version.hpp"
#include "config/data_files.hpp"
#include "config/layout.hpp"
#include "config/print.hpp"
#include "config/threads.hpp"
#include "hdf5/hdf5.hpp"
#include "metrics/process_memory.hpp"
#include "model/parameter_specs.hpp"
#include "plan/memory.hpp"
#include "tensor/library.hpp"
#include "tools/common.hpp"
#include "train/lead_time.hpp"

namespace tessera::tools {
namespace {

constexpr std::size_t kMostNamed = 8;  // nodes or files: more would fill the screen

/// "'a.cfg', 'b.cfg' and 2 keys of the command line"
std::string describe_sources(const std::vector<std::string>& arguments) {
  std::string files;
  int keys = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const std::string file = word.starts_with("--config=")                    ? word.substr(sizeof "--config=" - 1)
                             : word == "--config" && i + 1 < arguments.size() ? arguments[i + 1]
                                                                              : "";
    if (!file.empty()) files += fmt::format("{}'{}'", files.empty() ? "" : ", ", file);
    if (word.starts_with("--") && word.substr(0, word.find('=')).find('.') != std::string::npos) ++keys;
  }
  if (files.empty()) files = "no file";
  return keys == 0 ? files : fmt::format("{} and {} key(s) of the command line", files, keys);
}

std::string describe_data(const std::string& key, const std::string& value) {
  const std::vector<config::DataFile> files = config::parse_data_files(key, value);
  std::string list;
  for (std::size_t i = 0; i < std::min(files.size(), kMostNamed); ++i)
    list += fmt::format("{}'{}'", i == 0 ? "" : ", ", files[i].path);
  if (files.size() > kMostNamed) list += fmt::format(" and {} more", files.size() - kMostNamed);
  return files.empty() ? "none" : fmt::format("{} (on {})", list, base::file_system_of(files.front().path).name);
}

std::string describe_held_out(const config::DataConfig& data) {
  if (!data.valid.empty()) return describe_data("data.valid", data.valid);
  return data.valid_fraction > 0 ? fmt::format("the last {:g} of each file", data.valid_fraction) : "nothing";
}

std::string describe_model(const config::Config& config) {
  const auto parameters = static_cast<std::uint64_t>(model::num_parameters(config.model));
  return fmt::format("{}, {} parameters ({})", config::describe(config.model), base::format_count(parameters),
                     base::format_short(static_cast<double>(parameters)));
}

std::string describe_training(const config::Config& config) {
  const std::int64_t tokens = config.optim.batch * config.model.context;
  return fmt::format("{} steps of {} sequences ({} tokens), micro-batches of {}, precision {}", config.run.steps,
                     config.optim.batch, base::format_short(static_cast<double>(tokens)), config.optim.micro_batch,
                     config.run.precision);
}

std::string describe_lead(const std::string& run_dir, const train::StopLimits& limits) {
  const std::optional<train::LeadTime> last = train::read_lead_time(run_dir);
  std::string text = last && last->is_known() ? fmt::format("{}; signal at least {} s before the end", last->describe(),
                                                            last->needed_seconds())
                                              : "not measured yet";
  if (limits.signal_lead_seconds) text += fmt::format("; it comes {:g} s before", *limits.signal_lead_seconds);
  return text;
}

std::string describe_job(const JobEnvironment& job) {
  return job.job.empty() ? "none" : fmt::format("{}, restart {}", job.job, job.restarts);
}

}  // namespace

std::string describe_nodes(const std::vector<std::string>& nodes) {
  std::vector<std::pair<std::string, std::size_t>> counts;  // in the order of first ranks
  for (const std::string& node : nodes) {
    auto at = std::find_if(counts.begin(), counts.end(), [&](const auto& count) { return count.first == node; });
    if (at == counts.end()) at = counts.insert(at, {node, 0});
    ++at->second;
  }
  const bool even = std::all_of(counts.begin(), counts.end(),
                                [&](const auto& count) { return count.second == counts.front().second; });
  std::string list;
  for (std::size_t i = 0; i < std::min(counts.size(), kMostNamed); ++i)
    list +=
        fmt::format("{}{}{}", i == 0 ? "" : ", ", counts[i].first, even ? "" : fmt::format(" ({})", counts[i].second));
  if (counts.size() > kMostNamed) list += fmt::format(" and {} more", counts.size() - kMostNamed);
  if (counts.size() == 1) return fmt::format("{} on {}", nodes.size(), list);
  return even ? fmt::format("{}, {} on each of {} nodes: {}", nodes.size(), counts.front().second, counts.size(), list)
              : fmt::format("{} on {} nodes: {}", nodes.size(), counts.size(), list);
}

std::vector<std::string> opening_lines(const comm::Mesh& mesh, const config::Config& config,
                                       const tensor::Device& device, const std::vector<std::string>& arguments,
                                       const std::vector<std::string>& nodes, const JobEnvironment& job) {
  const auto resident = static_cast<std::uint64_t>(metrics::resident_memory_bytes());
  const plan::MemoryPlan memory = plan::predict_memory(config, {mesh.shape(), device.threads(), resident});
  return {
      fmt::format("tessera {} ({})", base::version(), base::build_description()),
      fmt::format("libraries: {}, {}, {}", tensor::matrix_library_version(), comm::Environment::library_version(),
                  hdf5::library_version()),
      fmt::format("CPU: {}, {} kernels, {} core(s) for rank 0", tensor::cpu_name(), device.instruction_set(),
                  config::affinity_cores()),
      fmt::format("GPU: {}", gpu_description()),
      fmt::format("configuration: {}", describe_sources(arguments)),
      fmt::format("run folder: '{}' ({})", config.run.dir, base::describe(base::file_system_of(config.run.dir))),
      fmt::format("data: {}", describe_data("data.train", config.data.train)),
      fmt::format("held out: {}", describe_held_out(config.data)),
      fmt::format("model: {}", describe_model(config)),
      fmt::format("training: {}", describe_training(config)),
      fmt::format("layout: {}", config::describe(config.parallel, config::layout_of(config, mesh.shape().size()))),
      fmt::format("ranks: {}", describe_nodes(nodes)),
      fmt::format("threads: {} a rank", device.threads()),
      plan::describe(memory),
      fmt::format("Slurm job: {}", describe_job(job)),
      fmt::format("lead time: {}", describe_lead(config.run.dir, job.limits)),
  };
}

}  // namespace tessera::tools
