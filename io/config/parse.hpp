// SPDX-License-Identifier: Apache-2.0
// Configuration files and command lines. Boost.Program_options reads both; its headers stay in parse.cpp.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace tessera::config {

/// A plain option of a subcommand, beside the keys of the configuration: "--json", "--prompt TEXT".
struct Flag {
  std::string name;
  bool takes_value = false;
  std::string help;
  bool repeats = false;  ///< may be given several times
};

struct ParsedFlags {
  std::map<std::string, std::vector<std::string>> flags;  ///< those given, with their values in order
  std::vector<std::string> positional;
};

struct ParsedConfig : ParsedFlags {
  Config config;
};

/// Reads `--config FILE` (several: later ones win), `--section.key=value` or `--section.key value` (win over files),
/// and `flags`. A key given twice on the command line has its last value; a flag given twice is an error unless it
/// repeats. Throws one base::UsageError that lists every unknown key, with the nearest known one, and every bad value.
ParsedConfig load_config(const std::vector<std::string>& arguments, const std::vector<Flag>& flags);

/// Reads `flags` only. Throws base::UsageError.
ParsedFlags parse_flags(const std::vector<std::string>& arguments, const std::vector<Flag>& flags);

/// Reads an INI text; `source` names it in errors. Throws base::UsageError listing every problem.
Config parse_text(const std::string& ini, const std::string& source);

}  // namespace tessera::config
