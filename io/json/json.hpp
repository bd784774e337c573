// SPDX-License-Identifier: Apache-2.0
// JSON values behind a small class, so that the heavy header of nlohmann-json is compiled in one file only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tessera::json {

class Json;
using Array = std::vector<Json>;
/// Members in the order written: what we print is read by people too.
using Object = std::vector<std::pair<std::string, Json>>;

/// One JSON value. Objects keep their order; at() on them is linear, so big dictionaries are walked, not searched.
class Json {
 public:
  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool v) : value_(v) {}
  Json(int v) : value_(std::int64_t{v}) {}
  Json(std::int64_t v) : value_(v) {}
  Json(std::uint64_t v);         ///< beyond int64: a double, as in parse()
  Json(double v) : value_(v) {}  ///< not finite: dumped as the string "nan", "inf" or "-inf": JSON has no number for it
  Json(const std::optional<double>& v) : Json(v ? Json(*v) : Json()) {}
  Json(const char* v) : value_(std::string(v)) {}
  Json(std::string v) : value_(std::move(v)) {}
  Json(Array v) : value_(std::move(v)) {}
  Json(Object v) : value_(std::move(v)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_number() const { return std::holds_alternative<double>(value_) || is_int(); }

  /// Typed access; throws base::Error naming the expected and the actual type. as_double takes integers, as_int only
  /// numbers written without point or exponent that fit in int64.
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;

  /// Member of an object; throws base::Error naming the key if absent.
  const Json& at(std::string_view key) const;
  /// Member of an object or nullptr.
  const Json* find(std::string_view key) const;
  /// Appends a member to an object, or replaces the one of that name (a null value becomes an object first).
  Json& set(std::string key, Json value);
  /// Appends to an array (a null value becomes an array first).
  Json& push(Json value);

  /// One line without spaces after separators, or indented if `indent` >= 0. Doubles round-trip. Strings that are not
  /// UTF-8 are written with U+FFFD for each ill-formed sequence.
  std::string dump(int indent = -1) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

/// What a text of a stranger may ask for: a value takes up to 150 bytes of memory, but its text may be two long.
struct Limits {
  std::size_t depth = 256;                                       ///< arrays and objects inside each other
  std::size_t values = std::numeric_limits<std::size_t>::max();  ///< in all, objects and arrays among them
};

/// Parses a whole text. Throws base::Error with `source` (a file name), line and column on bad input. What is beyond
/// `limits` is refused as soon as it is met, and so are duplicate keys and numbers beyond double. Integers beyond int64
/// become doubles.
Json parse(std::string_view text, std::string_view source, const Limits& limits = {});

}  // namespace tessera::json
