// SPDX-License-Identifier: Apache-2.0
#include "config/print.hpp"

#include <fmt/core.h>

#include "config/options.hpp"

namespace tessera::config {
namespace {

std::string section_of(const std::string& key) {
  return key.substr(0, key.find('.'));
}

std::string name_of(const std::string& key) {
  return key.substr(key.find('.') + 1);
}

}  // namespace

std::string to_ini(const Config& config) {
  std::string text, section;
  for (const Option& option : options()) {
    if (section_of(option.key) != section) {
      text += section.empty() ? "" : "\n";
      section = section_of(option.key);
      text += "[" + section + "]\n";
    }
    text += fmt::format("{} = {}\n", name_of(option.key), option.get(config));
  }
  return text;
}

std::map<std::string, std::string> key_values(const Config& config) {
  std::map<std::string, std::string> values;
  for (const Option& option : options()) values[option.key] = option.get(config);
  return values;
}

std::string describe(const ModelConfig& model) {
  return fmt::format("{} layers, hidden {}, {} heads of {}, context {}, vocabulary {}, head {}", model.layers,
                     model.hidden, model.heads, model.head_dim(), model.context, model.vocab,
                     model.tied_head ? "tied" : "of its own");
}

std::string options_help() {
  const Config defaults;
  std::string text;
  for (const Option& option : options()) {
    const std::string value = option.get(defaults);
    text += fmt::format("  {:<22} {} ({}; default {})\n", option.key, option.help, option.values,
                        value.empty() ? "empty" : value);
  }
  return text;
}

std::string options_markdown() {
  const Config defaults;
  std::string text =
      "# Options\n\nMade by `tessera check --markdown` from the option table (`io/config/options.cpp`); a test holds "
      "the "
      "two together.\nEvery key can stand in a file under its `[section]` and on the command line as "
      "`--section.key=value`. Counts accept\n`k`, `M`, `B`, sizes `KiB`, `MiB`, `GiB`, times `s`, `m`, `h`, `d`.\n";
  std::string section;
  for (const Option& option : options()) {
    if (section_of(option.key) != section) {
      section = section_of(option.key);
      text += fmt::format("\n## [{}]\n\n| key | default | accepted | effect |\n|---|---|---|---|\n", section);
    }
    std::string accepted = option.values;
    for (std::size_t at = 0; (at = accepted.find('|', at)) != std::string::npos; at += 2) accepted.insert(at, "\\");
    const std::string value = option.get(defaults);
    text += fmt::format("| `{}` | {} | {} | {} |\n", name_of(option.key), value.empty() ? "" : "`" + value + "`",
                        accepted, option.help);
  }
  return text;
}

}  // namespace tessera::config
