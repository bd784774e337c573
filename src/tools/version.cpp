// SPDX-License-Identifier: Apache-2.0
#include "base/version.hpp"

#include <fmt/core.h>

#include "config/threads.hpp"
#include "hdf5/hdf5.hpp"
#include "json/json.hpp"
#include "tensor/library.hpp"
#include "tools/command.hpp"
#include "tools/common.hpp"

namespace tessera::tools {

namespace {

base::ExitCode print_version(Invocation& invocation) {
  const PlainCall call(invocation, "version", {{"json", false, "print one JSON object"}});
  if (call.help_shown()) return base::ExitCode::done;
  const tensor::Device device(1);
  const std::vector<std::pair<std::string, std::string>> facts = {
      {"tessera", base::version()},
      {"build", base::build_description()},
      {"kernels", device.instruction_set()},
      {"matrix_library", tensor::matrix_library_version()},
      {"mpi", comm::Environment::library_version()},
      {"hdf5", hdf5::library_version()},
      {"cpu", tensor::cpu_name()},
      {"cores", std::to_string(config::affinity_cores())},
      {"gpu", gpu_description()},
  };
  if (call.has("json")) {
    json::Json object{json::Object{}};
    for (const auto& [name, value] : facts) object.set(name, value);
    fmt::print("{}\n", object.dump());
    return base::ExitCode::done;
  }
  for (const auto& [name, value] : facts) fmt::print("{:<15} {}\n", name, value);
  return base::ExitCode::done;
}

}  // namespace

base::ExitCode run_version(Invocation& invocation) {
  return on_root(invocation, [&] { return print_version(invocation); });
}

}  // namespace tessera::tools
