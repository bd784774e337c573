// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.hpp"
#include "base/philox.hpp"
#include "json/json.hpp"

using tessera::json::Array;
using tessera::json::Json;
using tessera::json::parse;
namespace base = tessera::base;

BOOST_AUTO_TEST_SUITE(printing)

BOOST_AUTO_TEST_CASE(one_line_and_indented) {
  Json value;
  value.set("a", 1).set("b", Array{true, nullptr, "x"}).set("c", Json().set("d", 0.5)).set("e", Array{});
  BOOST_TEST(value.dump() == R"({"a":1,"b":[true,null,"x"],"c":{"d":0.5},"e":[]})");
  BOOST_TEST(value.dump(2) ==
             "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null,\n    \"x\"\n  ],\n  \"c\": {\n    \"d\": 0.5\n  },\n  "
             "\"e\": []\n}");
  BOOST_TEST(parse(value.dump(), "f").dump() == value.dump());
  BOOST_TEST(parse(value.dump(4), "f").dump() == value.dump());
}

BOOST_AUTO_TEST_CASE(set_replaces_and_push_appends) {
  Json object, array;
  object.set("k", 1).set("l", 2).set("k", 3);
  BOOST_TEST(object.dump() == R"({"k":3,"l":2})");
  array.push(1).push("two");
  BOOST_TEST(array.dump() == R"([1,"two"])");
  BOOST_CHECK_THROW(array.set("k", 1), base::Error);
  BOOST_CHECK_THROW(object.push(1), base::Error);
}

BOOST_AUTO_TEST_CASE(strings_are_escaped) {
  BOOST_TEST(Json("a\"b\\c\n\t").dump() == R"("a\"b\\c\n\t")");
  BOOST_TEST(Json(std::string("\0\x1f", 2)).dump() == R"("\u0000\u001f")");
  BOOST_TEST(Json("\xC3\xA9\x7F").dump() == "\"\xC3\xA9\x7F\"");
  BOOST_TEST(Json("a\xFF"
                  "b")
                 .dump() ==
             "\"a\xEF\xBF\xBD"
             "b\"");  // not UTF-8: U+FFFD
  const Json key = Json().set("q\"", 1);
  BOOST_TEST(parse(key.dump(), "f").at("q\"").as_int() == 1);
}

BOOST_AUTO_TEST_CASE(not_finite_doubles_are_strings) {
  BOOST_TEST(Json(std::nan("")).dump() == "\"nan\"");
  BOOST_TEST(Json(std::numeric_limits<double>::infinity()).dump() == "\"inf\"");
  BOOST_TEST(Json(-std::numeric_limits<double>::infinity()).dump() == "\"-inf\"");
}

BOOST_AUTO_TEST_CASE(doubles_round_trip_to_the_bit) {
  const base::PhiloxKey key = base::philox_key(7, base::RandomStream::test);
  std::uint64_t tested = 0;
  for (std::uint64_t i = 0; tested < 20000; ++i) {
    const std::uint64_t bits = base::random_u64(key, i);
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    ++tested;
    const Json back = parse(Json(value).dump(), "f");
    const double again = back.as_double();
    BOOST_REQUIRE(std::memcmp(&again, &value, sizeof value) == 0);
  }
  BOOST_TEST(!parse(Json(3.0).dump(), "f").is_int());  // stays a double
  BOOST_TEST(std::signbit(parse(Json(-0.0).dump(), "f").as_double()));
}

BOOST_AUTO_TEST_SUITE_END()
