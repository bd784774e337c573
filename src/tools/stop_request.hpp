// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tessera::tools {

/// From now on SIGUSR1 (Slurm's warning before the wall time), SIGTERM and SIGINT ask this process to stop. Signals of
/// a kind within ten seconds count as one, as one `scancel --signal` can reach a rank twice; a second one of the kind
/// later than that ends the process at once. SIGPIPE is ignored. `tells`: the first request is told on standard output,
/// at once, as the step that is finished may be long. To be called once, before any other thread exists.
///
/// There is no signal handler: matrix kernels of oneDNN use the stack pointer as a common register, so that the frame
/// of a handler would be written into whatever it points at. The three signals are blocked in all threads but one,
/// which takes them with sigwait().
void listen_for_stop_signals(bool tells);

/// True once such a signal has come.
bool stop_requested();

}  // namespace tessera::tools
