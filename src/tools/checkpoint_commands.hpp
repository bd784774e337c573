// SPDX-License-Identifier: Apache-2.0
// The actions of `tessera checkpoint`, a file each; checkpoint.cpp has the table. They run on rank 0 alone.
#pragma once

#include "tools/command.hpp"

namespace tessera::tools {

base::ExitCode export_checkpoint(Invocation& invocation);
base::ExitCode import_checkpoint(Invocation& invocation);

}  // namespace tessera::tools
