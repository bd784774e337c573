// SPDX-License-Identifier: Apache-2.0
// `tessera selftest` as these tests run it.
#pragma once

#include <string>

#include "cli/fixture.hpp"
#include "json/json.hpp"

namespace tessera::testing {

/// "tessera selftest --ranks N --json" and more options.
inline ProcessResult selftest(int ranks, const std::string& options = "") {
  return run_shell("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1 " +
                   tessera() + " selftest --json --ranks " + std::to_string(ranks) + " " + options);
}

/// The rows of its table.
inline json::Array layouts_of(const ProcessResult& result) {
  BOOST_REQUIRE_MESSAGE(!result.output.empty(), result.errors);
  return json::parse(result.output, "selftest --json").at("layouts").as_array();
}

inline bool passes(const json::Json& layout) {
  return layout.at("verdict").as_string() == "pass";
}

}  // namespace tessera::testing
