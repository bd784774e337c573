// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tessera::tools {

/// From now on SIGUSR1 (Slurm's warning before the wall time), SIGTERM and SIGINT ask this process to stop; a second
/// signal of a kind, half a second later or after that, ends it at once. SIGPIPE is ignored. To be called once, before
/// any other thread exists.
///
/// There is no signal handler: matrix kernels of oneDNN use the stack pointer as a common register, so that the frame
/// of a handler would be written into whatever it points at. The three signals are blocked in all threads but one,
/// which takes them with sigwait().
void listen_for_stop_signals();

/// True once such a signal has come.
bool stop_requested();

}  // namespace tessera::tools
