// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tessera::tools {

/// True if mpirun or srun started this process. To be asked before MPI starts; the environment tells.
bool is_started_by_launcher();

/// True in one process of a job. Before MPI has started, the launcher's environment tells ranks apart: what all would
/// do alike, one does.
bool is_first_process();

/// How many processes mpirun or srun says to have started with this one, 1 if nobody says. To be asked before MPI
/// starts. MPI counts one where it cannot speak with that launcher, and so it does in each of them.
int num_started_by_launcher();

/// True in a step of `srun --pty`. What is typed into a shell that it started is one process each time, but has the
/// variables of all the step's tasks: those above take it for one of several.
bool is_in_terminal_of_srun();

/// "rank 3 on node7: " for messages before MPI has started; "" where no launcher started this process.
std::string process_name();

}  // namespace tessera::tools
