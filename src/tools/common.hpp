// SPDX-License-Identifier: Apache-2.0
// What subcommands share: reading their options, resolving threads, the version line.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/mesh.hpp"
#include "config/config.hpp"
#include "config/parse.hpp"
#include "tensor/device.hpp"
#include "tools/command.hpp"
#include "train/loaded_model.hpp"

namespace tessera::tools {

using FlagValues = std::map<std::string, std::vector<std::string>>;

/// Options of a command that reads a configuration.
struct ConfigCall {
  config::Config config;    ///< loaded and validated for the ranks of the job
  FlagValues flags;         ///< plain flags that were given
  int ranks = 1;            ///< of the job, or of the one that --ranks asks about
  int threads = 1;          ///< run.threads resolved on this node
  bool help_shown = false;  ///< --help was asked for and printed: nothing else to do
};

/// Reads --config files, --section.key values and `flags`; validates for the ranks of the job, or for those of the flag
/// --ranks, and demands the keys in `required`. Throws base::SharedError listing all problems. Collective.
ConfigCall load_config_call(Invocation& invocation, const char* command, const std::vector<config::Flag>& flags,
                            const std::vector<std::string>& required);

/// Value of a flag that counts ranks. Throws base::UsageError.
int parse_ranks(const std::string& text, const std::string& flag = "--ranks");

/// True if --help or -h is among the arguments.
bool wants_help(const std::vector<std::string>& arguments);

/// bf16 on a rank whose CPU lacks it becomes fp32 on all, with a warning of the first rank: it would be many times
/// slower. Collective.
void settle_precision(const Invocation& invocation, config::Config& config);

/// config::warnings() of a valid configuration, by rank 0 on standard error.
void print_warnings(const Invocation& invocation, const config::Config& config, int ranks);

/// Options of a command without a configuration. Not collective: problems are thrown as base::UsageError, by the
/// constructor (unknown flags, more than `most_positional` words beside them) and by the readers (bad values), on every
/// rank that asks. So that one message comes of them, commands read options in on_root() or comm::together().
class PlainCall {
 public:
  PlainCall(const Invocation& invocation, const char* command, const std::vector<config::Flag>& flags,
            std::size_t most_positional = 0)
      : PlainCall(invocation.arguments, invocation.is_root(), command, flags, most_positional) {}
  /// Before there are ranks. `shows`: whether this process prints the help.
  PlainCall(const std::vector<std::string>& arguments, bool shows, const char* command,
            const std::vector<config::Flag>& flags, std::size_t most_positional = 0);

  bool help_shown() const { return help_shown_; }
  bool has(const std::string& flag) const { return values_.contains(flag); }
  const std::vector<std::string>& positional() const { return positional_; }
  std::string required(const std::string& flag) const;
  std::string text(const std::string& flag, const std::string& fallback) const;
  std::vector<std::string> all(const std::string& flag) const;
  std::int64_t count(const std::string& flag, std::int64_t fallback) const;
  std::uint64_t seed(const std::string& flag, std::uint64_t fallback) const;
  double number(const std::string& flag, double fallback, double least, double most) const;
  /// Value of --threads for the ranks on this node.
  int threads(const Invocation& invocation) const;

 private:
  std::string command_;
  FlagValues values_;
  std::vector<std::string> positional_;
  bool help_shown_ = false;
};

/// The same on all ranks of the job. Throws base::SharedError for unknown flags. Collective.
PlainCall shared_call(Invocation& invocation, const char* command, const std::vector<config::Flag>& flags,
                      std::size_t most_positional = 0);

/// Runs the work of a command that needs one process on rank 0, while the others wait as long as it takes. Throws its
/// errors as base::SharedError on every rank. Collective.
base::ExitCode on_root(Invocation& invocation, const std::function<base::ExitCode()>& action);
/// The same with the ranks of a mesh of which rank 0 is one, instead of rank 0 alone; others have no mesh.
base::ExitCode on_mesh(Invocation& invocation, const std::optional<comm::Mesh>& mesh,
                       const std::function<base::ExitCode(const comm::Mesh&)>& action);

/// The device of this rank. Throws base::SharedError if some rank's CPU or environment does not do. Collective.
std::unique_ptr<tensor::Device> make_device(const comm::Communicator& world, int threads);

/// The shape of a validated configuration's mesh for a job of `ranks` ranks. Pure.
comm::MeshShape mesh_shape(const config::Config& config, int ranks);
/// The mesh of a validated configuration, with a warning of rank 0 if tensor ranks do not share a node. Collective.
comm::Mesh make_mesh(const comm::Communicator& world, const config::Config& config);

/// Data ranks of a mesh that only reads a model.
enum class DataRanks : bool { one, all };
/// The mesh of the flags --tensor and --pipeline, over the first ranks with one data rank, or over all ranks with as
/// many as fit. Throws base::SharedError if they do not fit. Collective; ranks outside the mesh get nothing.
std::optional<comm::Mesh> make_model_mesh(const comm::Communicator& world, const PlainCall& call, DataRanks data_ranks);

/// train::load_model(), with a warning of rank 0 for each damaged file that was passed over. Collective over the mesh.
train::LoadedModel load_checkpoint(const comm::Mesh& mesh, const std::string& path);

/// The GPU of this rank, or why there is none.
std::string gpu_description();

/// "tessera 0.1.0 (GNU 12.2.0, Release), x86-64-v3 kernels, oneDNN 2.6.3, Open MPI 4.1.4"
std::string version_line(const tensor::Device& device);

}  // namespace tessera::tools
