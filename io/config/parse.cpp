// SPDX-License-Identifier: Apache-2.0
#include "config/parse.hpp"

#include <boost/program_options.hpp>
#include <fmt/core.h>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>

#include "base/error.hpp"
#include "config/nearest.hpp"
#include "config/options.hpp"
#include "config/validate.hpp"

namespace tessera::config {
namespace {

namespace po = boost::program_options;
using Parsed = po::basic_parsed_options<char>;

po::options_description describe_keys() {
  po::options_description description;
  for (const Option& option : options()) description.add_options()(option.key.c_str(), po::value<std::string>(), "");
  return description;
}

void add_flags(po::options_description& description, const std::vector<Flag>& flags) {
  for (const Flag& flag : flags) {
    if (flag.takes_value)
      description.add_options()(flag.name.c_str(), po::value<std::string>(), "");
    else
      description.add_options()(flag.name.c_str(), po::bool_switch(), "");
  }
}

/// Boost refuses "--key=", which here means an empty value: it is handed over as two arguments.
std::vector<std::string> split_empty_values(const std::vector<std::string>& arguments) {
  std::vector<std::string> result;
  for (const std::string& argument : arguments) {
    const bool empty_value =
        argument.starts_with("--") && argument.find('=') == argument.size() - 1 && argument.size() > 3;
    result.push_back(empty_value ? argument.substr(0, argument.size() - 1) : argument);
    if (empty_value) result.emplace_back();
  }
  return result;
}

Parsed parse_arguments(const std::vector<std::string>& arguments, const po::options_description& description) {
  using namespace po::command_line_style;
  try {
    return po::command_line_parser(split_empty_values(arguments))
        .options(description)
        .style(allow_long | long_allow_adjacent | long_allow_next)
        .allow_unregistered()
        .run();
  } catch (const po::error& error) {
    base::fail_usage("{}", error.what());
  }
}

std::string unknown(const std::string& key, const std::string& where, const std::vector<std::string>& candidates) {
  return fmt::format("{}'{}' is unknown; the nearest is '{}'", where, key, nearest(key, candidates));
}

std::vector<std::string> known_keys() {
  std::vector<std::string> keys;
  for (const Option& option : options()) keys.push_back(option.key);
  return keys;
}

/// Sets one key; a problem is noted, with `where` in front.
void set_key(Config& config, const po::option& parsed, const std::string& where, std::vector<Problem>& problems) {
  const Option* option = find_option(parsed.string_key);
  if (!option) {
    problems.push_back({parsed.string_key, unknown(parsed.string_key, where, known_keys())});
    return;
  }
  try {
    option->set(config, parsed.value.empty() ? "" : parsed.value.front());
  } catch (const base::UsageError& error) {
    problems.push_back({option->key, where + error.what()});
  }
}

void read_ini(std::istream& stream, const std::string& source, Config& config, std::vector<Problem>& problems) {
  const std::string where = "'" + source + "': ";
  try {
    const Parsed parsed = po::parse_config_file(stream, describe_keys(), true);
    std::set<std::string> seen;
    for (const po::option& option : parsed.options) {
      if (!seen.insert(option.string_key).second)
        problems.push_back(
            {option.string_key, where + "'" + option.string_key + "' stands there twice: keep one of the two"});
      set_key(config, option, where, problems);
    }
  } catch (const po::error& error) {
    problems.push_back(
        {"", fmt::format("{}{} (a file is made of [section] and key = value lines)", where, error.what())});
  }
}

void read_file(const std::string& path, Config& config, std::vector<Problem>& problems) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || text.str().empty()) {
    problems.push_back({"config", fmt::format("--config '{}' cannot be read or is empty: check the path", path)});
    return;
  }
  constexpr std::string_view mark = "\xEF\xBB\xBF";  // the byte order mark that editors on Windows put in front
  const std::string ini = text.str();
  std::istringstream stream(ini.starts_with(mark) ? ini.substr(mark.size()) : ini);
  read_ini(stream, path, config, problems);
}

/// Sorts parsed options into flags and positional words; the rest goes to `other`. Flags given too often are noted.
template <class Other>
ParsedFlags collect(const Parsed& parsed, const std::vector<Flag>& flags, std::vector<Problem>& problems, Other other) {
  ParsedFlags result;
  std::set<std::string> names;
  for (const Flag& flag : flags) names.insert(flag.name);
  for (const po::option& option : parsed.options) {
    if (option.position_key >= 0 || option.string_key.empty())
      result.positional.insert(result.positional.end(), option.value.begin(), option.value.end());
    else if (names.contains(option.string_key))
      result.flags[option.string_key].push_back(option.value.empty() ? "" : option.value.front());
    else
      other(option);
  }
  for (const Flag& flag : flags)
    if (!flag.repeats && result.flags.contains(flag.name) && result.flags.at(flag.name).size() > 1)
      problems.push_back({flag.name, fmt::format("--{} is given more than once: keep one of them", flag.name)});
  return result;
}

}  // namespace

ParsedConfig load_config(const std::vector<std::string>& arguments, const std::vector<Flag>& flags) {
  po::options_description description = describe_keys();
  std::vector<Flag> all_flags = flags;
  all_flags.push_back({"config", true, "", true});
  add_flags(description, all_flags);
  const Parsed parsed = parse_arguments(arguments, description);
  std::vector<po::option> keys;
  std::vector<Problem> problems;
  ParsedConfig result;
  static_cast<ParsedFlags&>(result) =
      collect(parsed, all_flags, problems, [&](const po::option& option) { keys.push_back(option); });
  for (const std::string& path : result.flags["config"]) read_file(path, result.config, problems);
  result.flags.erase("config");
  bool any_unknown = false;
  for (po::option& option : keys) {
    const bool is_key = find_option(option.string_key) != nullptr;
    if (!is_key && option.string_key.find('.') == std::string::npos) {
      std::vector<std::string> names = known_keys();
      for (const Flag& flag : all_flags) names.push_back(flag.name);
      problems.push_back({option.string_key, unknown("--" + option.string_key, "", names)});
    } else {
      set_key(result.config, option, "", problems);
    }
    any_unknown = any_unknown || !is_key;
  }
  if (any_unknown) result.positional.clear();  // values of unknown keys
  throw_if_any(problems);
  return result;
}

ParsedFlags parse_flags(const std::vector<std::string>& arguments, const std::vector<Flag>& flags) {
  po::options_description description;
  add_flags(description, flags);
  std::vector<std::string> names;
  for (const Flag& flag : flags) names.push_back(flag.name);
  std::vector<Problem> problems;
  ParsedFlags result = collect(parse_arguments(arguments, description), flags, problems, [&](const po::option& option) {
    problems.push_back({option.string_key, unknown("--" + option.string_key, "", names)});
  });
  throw_if_any(problems);
  return result;
}

Config parse_text(const std::string& ini, const std::string& source) {
  Config config;
  std::vector<Problem> problems;
  std::istringstream stream(ini);
  read_ini(stream, source, config, problems);
  throw_if_any(problems);
  return config;
}

}  // namespace tessera::config
