// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "comm/mesh.hpp"
#include "config/config.hpp"
#include "tensor/device.hpp"
#include "tools/job_environment.hpp"

namespace tessera::tools {

/// What a training tells of itself before its first step, in lines short of twenty: version, machine, configuration,
/// model, layout, memory, job. `arguments`: of the command line. `nodes`: node_name() of each rank. Reads the run
/// folder of the resolved configuration.
std::vector<std::string> opening_lines(const comm::Mesh& mesh, const config::Config& config,
                                       const tensor::Device& device, const std::vector<std::string>& arguments,
                                       const std::vector<std::string>& nodes, const JobEnvironment& job);

/// "4 ranks on each of 2 nodes: n1, n2" or, where they differ, "6 ranks on 2 nodes: n1 (4), n2 (2)". Pure.
std::string describe_nodes(const std::vector<std::string>& nodes);

}  // namespace tessera::tools
