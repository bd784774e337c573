// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace tessera::testing {

/// A prepared text and a tiny configuration of one run in a folder of its own.
struct RunFixture {
  TestFolder folder;
  std::string tokens = folder / "tokens.h5", config = folder / "tiny.cfg", run = folder / "run";

  RunFixture() {
    write_file(folder / "text.txt", sample_text(20000));
    const ProcessResult prepared = run_shell(tessera() + " data prepare --input " + shell_quoted(folder / "text.txt") +
                                             " --tokenizer bytes --output " + shell_quoted(tokens));
    BOOST_REQUIRE_MESSAGE(prepared.exit_code == 0, prepared.errors);
    write_file(config,
               "[run]\ndir = " + run +
                   "\nsteps = 8\nseed = 3\nlog_interval = 1\neval_interval = 4\n[model]\nlayers = 2\nhidden = 32\n"
                   "heads = 2\ncontext = 16\ndropout = 0.1\n[data]\ntrain = " +
                   tokens +
                   "\nvalid_fraction = 0.05\n[optim]\nlr = 1e-3\nmin_lr = 1e-4\nwarmup = 2\nbatch = 8\n"
                   "[checkpoint]\ninterval = 4\nkeep = 10\n");
  }

  /// "tessera train --config tiny.cfg" and more options, on `ranks` ranks.
  ProcessResult train(const std::string& options, int ranks = 1) const {
    return run_shell((ranks == 1 ? tessera() : tessera_on(ranks)) + " train --config " + shell_quoted(config) + " " +
                     options);
  }
};

/// All values of "key":value in the text of a metrics.jsonl, in order.
inline std::vector<double> metric_values(const std::string& metrics, const std::string& key) {
  const std::string name = "\"" + key + "\":";
  std::vector<double> values;
  for (std::size_t at = metrics.find(name); at != std::string::npos; at = metrics.find(name, at + 1))
    values.push_back(std::stod(metrics.substr(at + name.size())));
  return values;
}

/// Fails with all that the command printed unless it ended with `exit_code` and its errors contain `text`.
inline void expect_error(const ProcessResult& result, int exit_code, const std::string& text) {
  BOOST_TEST(result.exit_code == exit_code, "exit code " << result.exit_code << " instead of " << exit_code << "\n"
                                                         << result.output << result.errors);
  BOOST_TEST(result.errors.find(text) != std::string::npos, "no '" << text << "' in: " << result.errors);
}

}  // namespace tessera::testing
