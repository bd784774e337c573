// SPDX-License-Identifier: Apache-2.0
#include "scaling/question.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "config/options.hpp"
#include "config/validate.hpp"
#include "scaling/layouts.hpp"

namespace tessera::scaling {
namespace {

/// A member of a question: a name, and its value as JSON.
struct Entry {
  const char* name;
  json::Json value;
};

json::Json array_of(const std::vector<int>& numbers) {
  json::Json array{json::Array{}};
  for (const int number : numbers) array.push(number);
  return array;
}

/// All but the configuration, in the order of study.json.
std::vector<Entry> entries(const Question& question) {
  json::Json modes{json::Array{}};
  for (const Mode mode : question.modes) modes.push(name(mode));
  return {{"modes", modes},
          {"ranks", array_of(question.ranks)},
          {"ranks_per_node", question.ranks_per_node},
          {"threads", question.threads},
          {"cores", question.cores},
          {"executor", question.executor},
          {"layouts", question.layouts},
          {"most_layouts", question.most_layouts},
          {"batch_per_rank", question.batch_per_rank},
          {"single_rank", question.single_rank},
          {"warmup", question.num_warmup},
          {"steps", question.num_steps},
          {"repeats", question.num_repeats}};
}

void check_ranks(const Question& question) {
  if (question.ranks.empty()) base::fail_usage("a study needs --ranks, as in --ranks 1,2,4");
  for (const int ranks : question.ranks)
    if (ranks > question.ranks_per_node && ranks % question.ranks_per_node != 0)
      base::fail_usage("{} ranks do not fill nodes of {} ranks: use multiples of --ranks-per-node, or fewer", ranks,
                       question.ranks_per_node);
}

Mode mode_of(const std::string& text, const std::string& source) {
  for (const Mode mode : {Mode::strong, Mode::weak})
    if (text == name(mode)) return mode;
  base::fail("'{}': '{}' is no mode of a study", source, text);
}

int small(const json::Json& value) {
  return static_cast<int>(value.as_int());
}

}  // namespace

const char* name(Mode mode) {
  return mode == Mode::strong ? "strong" : "weak";
}

void check(const Question& question) {
  check_ranks(question);
  config::throw_if_any(config::missing_keys(question.config, {"optim.batch"}));
  if (question.layouts != "auto") parse_layouts(question.layouts);
  if (question.modes.empty()) base::fail_usage("a study needs --mode strong, weak or both");
}

json::Json to_json(const Question& question) {
  json::Json object{json::Object{}};
  for (Entry& entry : entries(question)) object.set(entry.name, std::move(entry.value));
  json::Json keys{json::Object{}};
  for (const config::Option& option : config::options()) keys.set(option.key, option.get(question.config));
  object.set("config", std::move(keys));
  return object;
}

Question question_from_json(const json::Json& object, const std::string& source) {
  Question question;
  for (const json::Json& mode : object.at("modes").as_array())
    question.modes.push_back(mode_of(mode.as_string(), source));
  for (const json::Json& ranks : object.at("ranks").as_array()) question.ranks.push_back(small(ranks));
  question.ranks_per_node = small(object.at("ranks_per_node"));
  question.threads = small(object.at("threads"));
  question.cores = small(object.at("cores"));
  question.executor = object.at("executor").as_string();
  question.layouts = object.at("layouts").as_string();
  question.most_layouts = object.at("most_layouts").as_int();
  question.batch_per_rank = object.at("batch_per_rank").as_int();
  question.single_rank = object.at("single_rank").as_bool();
  question.num_warmup = object.at("warmup").as_int();
  question.num_steps = object.at("steps").as_int();
  question.num_repeats = object.at("repeats").as_int();
  for (const auto& [key, value] : object.at("config").as_object()) {
    const config::Option* option = config::find_option(key);
    if (!option) base::fail("'{}': key '{}' is unknown to this version of tessera", source, key);
    option->set(question.config, value.as_string());
  }
  return question;
}

std::vector<std::string> differences(const Question& now, const Question& before) {
  std::vector<std::string> lines;
  const std::vector<Entry> mine = entries(now), theirs = entries(before);
  for (std::size_t at = 0; at < mine.size(); ++at)
    if (const std::string text = mine[at].value.dump(), other = theirs[at].value.dump(); text != other)
      lines.push_back(fmt::format("{} = {}, was {}", mine[at].name, text, other));
  for (const config::Option& option : config::options())
    if (const std::string text = option.get(now.config), other = option.get(before.config); text != other)
      lines.push_back(fmt::format("{} = '{}', was '{}'", option.key, text, other));
  return lines;
}

}  // namespace tessera::scaling
