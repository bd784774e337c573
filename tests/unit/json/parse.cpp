// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>
#include <limits>
#include <string>

#include "base/error.hpp"
#include "json/json.hpp"

using tessera::base::Error;
using tessera::json::Json;
using tessera::json::parse;

namespace {

/// Passes if the message holds `part`; prints the message if not.
auto says(std::string part) {
  return [part = std::move(part)](const Error& error) {
    const bool found = std::string(error.what()).find(part) != std::string::npos;
    if (!found) BOOST_TEST_MESSAGE("message was: " << error.what());
    return found;
  };
}

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

}  // namespace

BOOST_AUTO_TEST_SUITE(parsing)

BOOST_AUTO_TEST_CASE(reads_every_kind) {
  const Json value =
      parse(R"({"n":null,"b":true,"i":-3,"d":2.5,"s":"a\n\u00e9\ud83e\udd99","a":[1,"x",[]],"o":{}})", "f");
  BOOST_TEST(value.at("n").is_null());
  BOOST_TEST(value.at("b").as_bool());
  BOOST_TEST(value.at("i").as_int() == -3);
  BOOST_TEST(value.at("i").as_double() == -3.0);
  BOOST_TEST(value.at("d").as_double() == 2.5);
  BOOST_TEST(value.at("s").as_string() == "a\n\xC3\xA9\xF0\x9F\xA6\x99");
  BOOST_TEST(value.at("a").as_array().size() == 3u);
  BOOST_TEST(value.at("o").as_object().empty());
  BOOST_TEST(value.find("absent") == nullptr);
  BOOST_TEST(parse("\xEF\xBB\xBF 7 ", "f").as_int() == 7);  // a byte order mark is skipped
}

BOOST_AUTO_TEST_CASE(members_keep_their_order) {
  const Json value = parse(R"({"z":1,"a":2,"m":3})", "f");
  BOOST_TEST(value.as_object()[0].first == "z");
  BOOST_TEST(value.as_object()[1].first == "a");
  BOOST_TEST(value.as_object()[2].first == "m");
}

BOOST_AUTO_TEST_CASE(integers_beyond_int64_become_doubles) {
  BOOST_TEST(parse("9223372036854775807", "f").as_int() == std::numeric_limits<std::int64_t>::max());
  BOOST_TEST(parse("-9223372036854775808", "f").as_int() == std::numeric_limits<std::int64_t>::min());
  for (const char* text : {"9223372036854775808", "18446744073709551615", "123456789012345678901234567890"}) {
    const Json value = parse(text, "f");
    BOOST_TEST(!value.is_int());
    BOOST_TEST(value.as_double() == std::stod(text));
    BOOST_CHECK_THROW(value.as_int(), Error);
  }
  BOOST_TEST(!Json(std::numeric_limits<std::uint64_t>::max()).is_int());
}

BOOST_AUTO_TEST_CASE(errors_name_source_line_and_column) {
  BOOST_CHECK_EXCEPTION(parse("{\n  \"a\": 1,\n  \"b\" 2\n}", "x.json"), Error, says("x.json: line 3, column 7:"));
  BOOST_CHECK_EXCEPTION(parse("[1,2", "x.json"), Error, says("x.json: line 1, column 5:"));
  BOOST_CHECK_EXCEPTION(parse("", "x.json"), Error, says("x.json: line 1, column 1:"));
  BOOST_CHECK_EXCEPTION(parse("[1] [2]", "x.json"), Error, says("line 1, column 5:"));
  BOOST_CHECK_EXCEPTION(parse("[NaN]", "x.json"), Error, says("x.json: line 1, column"));
  BOOST_CHECK_EXCEPTION(parse("[1e999]", "x.json"), Error, says("x.json: line 1, column"));
  BOOST_CHECK_EXCEPTION(parse("\"\xFF\"", "x.json"), Error, says("x.json: line 1, column 2:"));
}

BOOST_AUTO_TEST_CASE(duplicate_keys_are_refused) {
  BOOST_CHECK_EXCEPTION(parse("{\"a\":1,\n\"b\":2,\n \"a\":3}", "x.json"), Error,
                        says("x.json: line 3, column 4: bad JSON: the key \"a\" appears twice"));
  BOOST_TEST(parse(R"([{"a":1},{"a":{"a":2}}])", "f").as_array().size() == 2u);
}

BOOST_AUTO_TEST_CASE(depth_is_limited) {
  BOOST_CHECK_NO_THROW(parse(nested(256), "f"));
  BOOST_CHECK_EXCEPTION(parse(nested(257), "f"), Error, says("line 1, column 257: bad JSON: nested deeper than 256"));
  BOOST_CHECK_THROW(parse(std::string(1000000, '['), "f"), Error);
}

BOOST_AUTO_TEST_CASE(callers_may_limit_more) {
  BOOST_CHECK_NO_THROW(parse(nested(3), "f", {.depth = 3}));
  BOOST_CHECK_EXCEPTION(parse(nested(4), "f", {.depth = 3}), Error, says("column 4: bad JSON: nested deeper than 3"));
  const std::string four = R"({"a":[1,null]})";
  BOOST_CHECK_NO_THROW(parse(four, "f", {.values = 4}));
  BOOST_CHECK_EXCEPTION(parse(four, "f", {.values = 3}), Error, says("column 14: bad JSON: more than 3 values"));
}

BOOST_AUTO_TEST_CASE(wrong_kinds_are_named) {
  BOOST_CHECK_EXCEPTION(parse("\"x\"", "f").as_int(), Error, says("expected an integer, found a string"));
  BOOST_CHECK_EXCEPTION(parse("1.5", "f").as_int(), Error, says("expected an integer, found a number"));
  BOOST_CHECK_EXCEPTION(parse("[]", "f").at("k"), Error, says("expected an object, found an array"));
  BOOST_CHECK_EXCEPTION(parse("{}", "f").at("k"), Error, says("no member \"k\""));
}

BOOST_AUTO_TEST_SUITE_END()
