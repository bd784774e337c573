// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tessera::tools {

/// Puts something in place of standard files that the caller closed, so that no file opened later takes their number
/// and receives what is printed. Writing to a standard output that was closed still fails. To be called first in main.
void claim_standard_files();

/// Hands all that was printed to the system. False if some of it could not be written, which standard error is told:
/// the command has then not done what was asked.
bool flush_standard_output();

}  // namespace tessera::tools
