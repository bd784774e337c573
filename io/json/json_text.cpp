// SPDX-License-Identifier: Apache-2.0
// JSON text to values and back; the only file that includes nlohmann-json. Its SAX parser feeds our own value class, so
// that line and column, duplicate keys and the depth limit are checked where they happen.
#include <cmath>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.hpp"
#include "json/json.hpp"

namespace tessera::json {

namespace {

/// Reads a text and publishes how far the lexer has read: the SAX interface of nlohmann-json reports positions only for
/// its own errors. Copies share the published position.
class TrackedIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, const char** published) : at_(at), published_(published) {}
  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    ++at_;
    *published_ = at_;
    return *this;
  }
  TrackedIterator operator++(int) {
    TrackedIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const TrackedIterator& other) const { return at_ == other.at_; }
  bool operator!=(const TrackedIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** published_;
};

/// Builds values from SAX events.
class Builder {
 public:
  Builder(std::string_view text, std::string_view source, const Limits& limits)
      : text_(text), source_(source), limits_(limits), read_(text.data()) {}

  TrackedIterator begin() { return {text_.data(), &read_}; }
  TrackedIterator end() { return {text_.data() + text_.size(), &read_}; }
  Json take() { return std::move(root_); }

  // The events of nlohmann::json_sax. Each returns true: our own refusals are exceptions.
  bool null() { return add(Json()); }
  bool boolean(bool value) { return add(Json(value)); }
  bool number_integer(std::int64_t value) { return add(Json(value)); }
  bool number_unsigned(std::uint64_t value) { return add(Json(value)); }
  bool number_float(double value, const std::string&) { return add(Json(value)); }
  bool string(std::string& value) { return add(Json(std::move(value))); }
  bool binary(std::vector<std::uint8_t>&) { return false; }  // no such thing in JSON text
  bool start_object(std::size_t) { return open(true); }
  bool start_array(std::size_t) { return open(false); }
  bool key(std::string& name) {
    Level& level = levels_.back();
    if (!level.names.insert(name).second) refuse(offset(), fmt::format("the key \"{}\" appears twice", name));
    level.key = std::move(name);
    return true;
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ...": keep what follows the
    // place.
    const std::string_view what = error.what();
    const std::size_t mark = what.find(": ");
    refuse(position == 0 ? 0 : position - 1, what.substr(mark == std::string_view::npos ? 0 : mark + 2));
  }

 private:
  struct Level {
    bool is_object = false;
    Object members;
    Array elements;
    std::string key;
    std::unordered_set<std::string> names;  // a linear search would make big dictionaries quadratic
  };

  std::size_t offset() const { return read_ == text_.data() ? 0 : static_cast<std::size_t>(read_ - text_.data()) - 1; }

  [[noreturn]] void refuse(std::size_t offset, std::string_view reason) const {
    std::size_t line = 1, column = 1;
    for (const char c : text_.substr(0, offset)) {
      column = c == '\n' ? 1 : column + 1;
      line += c == '\n' ? 1 : 0;
    }
    base::fail("{}: line {}, column {}: bad JSON: {}", source_, line, column, reason);
  }

  bool open(bool is_object) {
    if (levels_.size() == limits_.depth) refuse(offset(), fmt::format("nested deeper than {} levels", limits_.depth));
    levels_.emplace_back().is_object = is_object;
    return true;
  }

  bool close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    return add(level.is_object ? Json(std::move(level.members)) : Json(std::move(level.elements)));
  }

  bool add(Json value) {
    if (++num_values_ > limits_.values) refuse(offset(), fmt::format("more than {} values", limits_.values));
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (Level& level = levels_.back(); level.is_object) {
      level.members.emplace_back(std::move(level.key), std::move(value));
    } else {
      level.elements.push_back(std::move(value));
    }
    return true;
  }

  std::string_view text_;
  std::string_view source_;
  Limits limits_;
  std::size_t num_values_ = 0;
  const char* read_;
  std::vector<Level> levels_;
  Json root_;
};

void append_string(const std::string& value, std::string& out) {
  bool plain = true;
  for (const char c : value) plain = plain && c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
  if (plain) {  // most keys and words: no escape to think about
    out.append(1, '"').append(value).append(1, '"');
    return;
  }
  out += nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_double(double value, std::string& out) {
  if (std::isnan(value)) {
    out += "\"nan\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"inf\"" : "\"-inf\"";
  } else {
    out += nlohmann::json(value).dump();  // shortest text that reads back as the same double
  }
}

void append_value(const Json& value, int indent, int depth, std::string& out);

/// Commas, line breaks and brackets around the items of an array or object; `print_item(i)` writes one.
template <class PrintItem>
void append_items(std::size_t count, const char* brackets, int indent, int depth, std::string& out,
                  PrintItem print_item) {
  const auto break_line = [&](int levels) {
    if (indent >= 0)
      out.append(1, '\n').append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(levels), ' ');
  };
  out += brackets[0];
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    break_line(depth + 1);
    print_item(i);
  }
  if (count > 0) break_line(depth);
  out += brackets[1];
}

void append_value(const Json& value, int indent, int depth, std::string& out) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_int()) {
    out += std::to_string(value.as_int());
  } else if (value.is_number()) {
    append_double(value.as_double(), out);
  } else if (value.is_string()) {
    append_string(value.as_string(), out);
  } else if (value.is_array()) {
    const Array& array = value.as_array();
    append_items(array.size(), "[]", indent, depth, out,
                 [&](std::size_t i) { append_value(array[i], indent, depth + 1, out); });
  } else {
    const Object& object = value.as_object();
    append_items(object.size(), "{}", indent, depth, out, [&](std::size_t i) {
      append_string(object[i].first, out);
      out += indent >= 0 ? ": " : ":";
      append_value(object[i].second, indent, depth + 1, out);
    });
  }
}

}  // namespace

std::string Json::dump(int indent) const {
  std::string out;
  append_value(*this, indent, 0, out);
  return out;
}

Json parse(std::string_view text, std::string_view source, const Limits& limits) {
  Builder builder(text, source, limits);
  nlohmann::json::sax_parse(builder.begin(), builder.end(), &builder);
  return builder.take();
}

}  // namespace tessera::json
