// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tessera::tools {

/// True if mpirun or srun started this process. To be asked before MPI starts; the environment tells.
bool is_started_by_launcher();

/// True in one process of a job. Before MPI has started, the launcher's environment tells ranks apart: what all would
/// do alike, one does.
bool is_first_process();

}  // namespace tessera::tools
