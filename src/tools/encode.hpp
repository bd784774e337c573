// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/command.hpp"

namespace tessera::tools {

/// `tessera data encode` and `decode`: standard input to standard output, line by line. Errors name the line.
base::ExitCode encode_lines(Invocation& invocation);
base::ExitCode decode_lines(Invocation& invocation);

}  // namespace tessera::tools
