// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/verify.hpp"

#include <fmt/core.h>

#include "base/error.hpp"
#include "json/json.hpp"

namespace tessera::checkpoint {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::string to_text(const Verdict& verdict) {
  json::Json problems{json::Array{}}, object{json::Object{}};
  for (const Problem& problem : verdict.problems) problems.push(json::Array{problem.dataset, problem.text});
  object.set("condition", static_cast<int>(verdict.condition)).set("problems", std::move(problems));
  object.set("step", verdict.step).set("num_tensors", verdict.num_tensors).set("file_bytes", verdict.file_bytes);
  return object.dump();
}

Verdict from_text(const std::string& text) {
  const json::Json object = json::parse(text, "verdict");
  Verdict verdict;
  const std::int64_t condition = object.at("condition").as_int();
  if (condition < 0 || condition > static_cast<int>(Condition::unreadable)) base::fail("no condition: {}", condition);
  verdict.condition = static_cast<Condition>(condition);
  for (const json::Json& problem : object.at("problems").as_array()) {
    const json::Array& parts = problem.as_array();
    if (parts.size() != 2) base::fail("no problem: {}", problem.dump());
    verdict.problems.push_back({parts[0].as_string(), parts[1].as_string()});
  }
  verdict.step = object.at("step").as_int();
  verdict.num_tensors = object.at("num_tensors").as_int();
  verdict.file_bytes = static_cast<std::uint64_t>(object.at("file_bytes").as_int());
  return verdict;
}

void examine(const FileReader& file, const Inspection& inspect, Depth depth, Verdict& verdict) {
  verdict.step = file.state().step;
  verdict.num_tensors = static_cast<std::int64_t>(file.tensors().size());
  verdict.file_bytes = file.file_bytes();
  for (const FileReader::Tensor& tensor : file.tensors())
    if (depth == Depth::all && !file.is_sound(tensor))
      verdict.problems.push_back({tensor.path, "has a wrong checksum"});
  if (inspect)
    for (Problem& problem : inspect(file)) verdict.problems.push_back(std::move(problem));
  if (!verdict.problems.empty()) verdict.condition = Condition::damaged;
}

}  // namespace

const char* name_of(Condition condition) {
  switch (condition) {
    case Condition::sound:
      return "sound";
    case Condition::damaged:
      return "damaged";
    case Condition::unreadable:
      break;
  }
  return "unreadable";
}

Verdict verify(const std::string& path, const Inspection& inspect, Depth depth) {
  Verdict verdict;
  const auto add = [&](Condition condition, const std::exception& error) {
    verdict.condition = condition;
    verdict.problems.push_back({"", error.what()});
  };
  try {
    examine(FileReader(path), inspect, depth, verdict);
  } catch (const DamagedError& error) {
    add(Condition::damaged, error);
  } catch (const base::UsageError& error) {
    add(Condition::unreadable, error);
  } catch (const base::SystemError& error) {
    add(Condition::unreadable, error);
  } catch (const base::Error& error) {
    add(Condition::damaged, error);
  }
  return verdict;
}

Limits limits_for(std::uint64_t file_bytes) {
  const std::uint64_t mebibytes = file_bytes / kMiB;
  return {512 * kMiB, static_cast<std::int64_t>(5 + mebibytes / 64), static_cast<double>(60 + mebibytes / 4)};
}

Verdict verify_guarded(const std::string& path, const Inspection& inspect, const Limits& limits) {
  const ChildEnd end = run_in_child([&] { return to_text(verify(path, inspect)); }, limits);
  if (end.returned) {
    try {
      return from_text(end.text);
    } catch (const base::Error&) {  // what it wrote is as broken as it was itself
    }
  }
  Verdict verdict;
  verdict.condition = end.timed_out ? Condition::unreadable : Condition::damaged;
  verdict.problems.push_back(
      {"", fmt::format("checkpoint '{}': HDF5 could not read it within its limits ({}): damaged or hostile{}", path,
                       end.returned ? "no clear answer" : end.text, end.timed_out ? ", or on a very slow disk" : "")});
  return verdict;
}

}  // namespace tessera::checkpoint
