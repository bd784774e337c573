// SPDX-License-Identifier: Apache-2.0
// The actions of `tessera checkpoint`, a file each; checkpoint.cpp has the table. They run on rank 0 alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "checkpoint/verify.hpp"
#include "tools/command.hpp"

namespace tessera::tools {

base::ExitCode list_checkpoints(Invocation& invocation);
base::ExitCode show_checkpoint(Invocation& invocation);
base::ExitCode prune_checkpoints(Invocation& invocation);
base::ExitCode average_checkpoints(Invocation& invocation);
/// Forks, so before MPI starts; in one process of a job.
std::optional<base::ExitCode> verify_checkpoints(const std::vector<std::string>& arguments);
base::ExitCode export_checkpoint(Invocation& invocation);
base::ExitCode import_checkpoint(Invocation& invocation);

/// What is wrong with a file whose checksums are right: texts that do not parse, tensors that its own configuration
/// asks for and that are missing, of another shape, or surplus.
std::vector<checkpoint::Problem> inspect_model(const checkpoint::FileReader& file);

/// "/model/x has a wrong checksum", or the sentence of a problem that is of no dataset.
std::string describe(const checkpoint::Problem& problem);

}  // namespace tessera::tools
