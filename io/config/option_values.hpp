// SPDX-License-Identifier: Apache-2.0
// Makers of table entries: each ties one member of the configuration to its key, help and rule.
#pragma once

#include <cmath>
#include <cstdint>
#include <fmt/core.h>
#include <limits>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/units.hpp"
#include "config/options.hpp"

namespace tessera::config {

[[noreturn]] inline void refuse(const std::string& key, const std::string& value, const std::string& rule) {
  base::fail_usage("{} = '{}' must be {}", key, value, rule);
}

/// Runs a parser of base/units and turns its error into one that names key and rule.
template <class Parse>
auto parse_or_refuse(const std::string& key, const std::string& value, const std::string& rule, Parse parse) {
  try {
    return parse(value);
  } catch (const base::UsageError&) {
    refuse(key, value, rule);
  }
}

/// A decimal number with nothing behind it, or NaN.
double parse_double(const std::string& text);

template <class Section>
Option text_option(const char* key, const char* help, Section Config::*section, std::string Section::*member) {
  return {key, help, "text without '#'", [=](const Config& config) { return config.*section.*member; },
          [=](Config& config, const std::string& value) {
            if (value.find_first_of("#\n") != std::string::npos)
              refuse(key, value, "without '#' and line breaks, which a configuration file cannot hold");
            config.*section.*member = value;
          }};
}

template <class Section>
Option choice_option(const char* key, const char* help, Section Config::*section, std::string Section::*member,
                     const std::vector<std::string>& choices, const std::string& note = "") {
  std::string rule;
  for (const std::string& choice : choices) rule += (rule.empty() ? "" : " | ") + choice;
  return {key, help, rule, [=](const Config& config) { return config.*section.*member; },
          [=](Config& config, const std::string& value) {
            for (const std::string& choice : choices)
              if (value == choice) {
                config.*section.*member = value;
                return;
              }
            refuse(key, value, "one of " + rule + note);
          }};
}

/// A count with units (k, M, B) from `least` to `most`, beyond which no machine goes and sums could overflow; the word
/// `zero_word`, if given, stands for 0.
template <class Section>
Option count_option(const char* key, const char* help, Section Config::*section, std::int64_t Section::*member,
                    std::int64_t least, std::int64_t most, const std::string& zero_word = "") {
  const std::string rule =
      fmt::format("{}a whole number from {} to {}", zero_word.empty() ? "" : zero_word + " or ", least, most);
  return {key, help, rule,
          [=](const Config& config) {
            const std::int64_t value = config.*section.*member;
            return value == 0 && !zero_word.empty() ? zero_word : std::to_string(value);
          },
          [=](Config& config, const std::string& value) {
            if (!zero_word.empty() && value == zero_word) {
              config.*section.*member = 0;
              return;
            }
            const std::int64_t count =
                parse_or_refuse(key, value, rule, [](const std::string& text) { return base::parse_count(text); });
            if (count < least || count > most) refuse(key, value, rule);
            config.*section.*member = count;
          }};
}

/// A number in [least, most], or [least, most) with `open`.
template <class Section>
Option real_option(const char* key, const char* help, Section Config::*section, double Section::*member, double least,
                   double most = std::numeric_limits<double>::infinity(), bool open = false) {
  const std::string rule = std::isinf(most) ? fmt::format("a number >= {}", least)
                                            : fmt::format("a number in [{}, {}{}", least, most, open ? ")" : "]");
  return {key, help, rule, [=](const Config& config) { return fmt::format("{}", config.*section.*member); },
          [=](Config& config, const std::string& value) {
            const double number = parse_double(value);
            if (!(number >= least && (open ? number < most : number <= most) && std::isfinite(number)))
              refuse(key, value, rule);
            config.*section.*member = number;
          }};
}

template <class Section>
Option bool_option(const char* key, const char* help, Section Config::*section, bool Section::*member) {
  return {key, help, "true | false",
          [=](const Config& config) { return std::string(config.*section.*member ? "true" : "false"); },
          [=](Config& config, const std::string& value) {
            if (value != "true" && value != "false") refuse(key, value, "true or false");
            config.*section.*member = value == "true";
          }};
}

/// A whole number from 1 to `most`, or auto; kept as text, the number as plain digits.
template <class Section>
Option auto_option(const char* key, const char* help, Section Config::*section, std::string Section::*member,
                   std::int64_t most) {
  const std::string rule = fmt::format("auto or a whole number from 1 to {}", most);
  return {key, help, rule, [=](const Config& config) { return config.*section.*member; },
          [=](Config& config, const std::string& value) {
            if (value == "auto") {
              config.*section.*member = value;
              return;
            }
            const std::int64_t count =
                parse_or_refuse(key, value, rule, [](const std::string& text) { return base::parse_count(text); });
            if (count < 1 || count > most) refuse(key, value, rule);
            config.*section.*member = std::to_string(count);
          }};
}

}  // namespace tessera::config
