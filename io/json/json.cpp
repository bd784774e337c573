// SPDX-License-Identifier: Apache-2.0
#include "json/json.hpp"

#include <cmath>
#include <limits>

#include "base/error.hpp"

namespace tessera::json {

namespace {

constexpr const char* kKindNames[] = {"null",     "a boolean", "an integer", "a number",
                                      "a string", "an array",  "an object"};

template <class T, class Value>
const T& expect(const Value& value, const char* wanted) {
  const T* found = std::get_if<T>(&value);
  if (found == nullptr) base::fail("JSON: expected {}, found {}", wanted, kKindNames[value.index()]);
  return *found;
}

}  // namespace

// Beyond int64 an unsigned value becomes a double, as parse() does: never a negative number.
Json::Json(std::uint64_t v) {
  if (v <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    value_ = static_cast<std::int64_t>(v);
  } else {
    value_ = static_cast<double>(v);
  }
}

bool Json::as_bool() const {
  return expect<bool>(value_, "a boolean");
}
std::int64_t Json::as_int() const {
  return expect<std::int64_t>(value_, "an integer");
}
double Json::as_double() const {
  if (const auto* integer = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*integer);
  return expect<double>(value_, "a number");
}
const std::string& Json::as_string() const {
  return expect<std::string>(value_, "a string");
}
const Array& Json::as_array() const {
  return expect<Array>(value_, "an array");
}
const Object& Json::as_object() const {
  return expect<Object>(value_, "an object");
}

const Json* Json::find(std::string_view key) const {
  for (const auto& [name, value] : as_object()) {
    if (name == key) return &value;
  }
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  const Json* found = find(key);
  if (found == nullptr) base::fail("JSON: the object has no member \"{}\"", key);
  return *found;
}

Json& Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object{};
  if (!is_object()) base::fail("JSON: cannot set member \"{}\" of {}", key, kKindNames[value_.index()]);
  auto& members = std::get<Object>(value_);
  for (auto& member : members) {
    if (member.first == key) {
      member.second = std::move(value);
      return *this;
    }
  }
  members.emplace_back(std::move(key), std::move(value));
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array{};
  if (!is_array()) base::fail("JSON: cannot append to {}", kKindNames[value_.index()]);
  std::get<Array>(value_).push_back(std::move(value));
  return *this;
}

}  // namespace tessera::json
