// SPDX-License-Identifier: Apache-2.0
#include "safetensors/header.hpp"

#include "fixture.hpp"

namespace tessera::safetensors {
namespace {

using Infos = std::vector<TensorInfo>;

Infos parse(const std::string& bytes) {
  return parse_header(bytes, bytes.size(), "x.safetensors");
}

Infos parse(const std::string& header, std::uint64_t data_bytes) {
  return parse(file_bytes(header, std::string(data_bytes, '\0')));
}

/// Every message names the file.
void refused(const std::string& bytes, std::vector<std::string> parts) {
  parts.emplace_back("x.safetensors");
  BOOST_CHECK_EXCEPTION(parse(bytes), base::UsageError, says(parts));
}

void refused(const std::string& header, std::uint64_t data_bytes, const std::vector<std::string>& parts) {
  refused(file_bytes(header, std::string(data_bytes, '\0')), parts);
}

}  // namespace

BOOST_AUTO_TEST_CASE(tensors_come_in_the_order_of_their_bytes) {
  const std::string header = R"({"__metadata__":{"format":"pt"},)" + entry("b", "F32", "[2,3]", 4, 28) + "," +
                             entry("a", "BF16", "[2]", 0, 4) + "," + entry("empty", "F32", "[0,7]", 28, 28) + "," +
                             entry("scalar", "I64", "[]", 28, 36) + "}   ";
  const Infos tensors = parse(header, 36);
  BOOST_REQUIRE(tensors.size() == 4u);
  const std::string names = tensors[0].name + " " + tensors[1].name + " " + tensors[2].name + " " + tensors[3].name;
  BOOST_TEST(names == "a b empty scalar");
  const std::uint64_t start = 8 + header.size();
  BOOST_TEST(tensors[0].offset == start);
  BOOST_TEST(tensors[1].offset == start + 4);
  BOOST_TEST(tensors[1].size_bytes == 24u);
  BOOST_TEST(tensors[1].num_elements() == 6u);
  BOOST_TEST(tensors[2].num_elements() == 0u);
  BOOST_TEST(tensors[3].num_elements() == 1u);
  BOOST_TEST(tensors[3].type == "I64");
  BOOST_TEST(parse("{}", 0).empty());
}

BOOST_AUTO_TEST_CASE(sizes_of_files_and_headers_are_checked_first) {
  refused("", {"holds 0 bytes", "too short"});
  refused(std::string(7, '\1'), {"holds 7 bytes", "too short"});
  refused(little_endian(0), {"no JSON object"});
  refused(little_endian(3) + "{}", {"holds 10 bytes", "would take 3"});
  refused(little_endian(100'000'001), {"100000001", "more than 100000000"});
  refused(little_endian(~std::uint64_t{0}), {"18446744073709551615"});
  // The limit itself is fine: the file is what is too small.
  BOOST_TEST(data_start(little_endian(100'000'000), 100'000'008, "x") == 100'000'008u);
  BOOST_CHECK_THROW(data_start(little_endian(100'000'000), 100'000'007, "x"), base::UsageError);
}

BOOST_AUTO_TEST_CASE(headers_that_are_no_json_object) {
  refused(" {}", 0, {"no JSON object"});  // the format wants the brace first
  refused("[]", 0, {"no JSON object"});
  refused("{", 0, {"line 1, column 2"});
  refused("{}{}", 0, {"line 1, column"});
  refused("{\"\xFF\":1}", 0, {"line 1, column"});
  refused("{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("a", "F32", "[1]", 4, 8) + "}", 8, {"\"a\"", "twice"});
}

BOOST_AUTO_TEST_CASE(entries_are_checked_by_name) {
  const auto refused_entry = [](const std::string& entry, const std::vector<std::string>& parts) {
    std::vector<std::string> all = parts;
    all.emplace_back("tensor \"w\"");
    refused("{" + entry + "}", 8, all);
  };
  refused_entry(R"("w":3)", {"expected an object"});
  refused_entry(R"("w":{"shape":[2],"data_offsets":[0,8]})", {"no member \"dtype\""});
  refused_entry(R"("w":{"dtype":"F32","data_offsets":[0,8]})", {"no member \"shape\""});
  refused_entry(R"("w":{"dtype":"F32","shape":[2]})", {"no member \"data_offsets\""});
  refused_entry(R"("w":{"dtype":7,"shape":[2],"data_offsets":[0,8]})", {"expected a string"});
  refused_entry(R"("w":{"dtype":"F32","shape":2,"data_offsets":[0,8]})", {"expected an array"});
  refused_entry(R"("w":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]})", {"expected an integer"});
  refused_entry(R"("w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]})", {"-2 is negative"});
  refused_entry(R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]})", {"3 numbers"});
  refused_entry(R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]})", {"an integer"});
  refused_entry(entry("w", "Q4", "[2]", 0, 8), {"\"Q4\" is not known"});
  refused_entry(entry("w", "F32", "[3]", 0, 8), {"make 12 bytes, its offsets 8"});
  refused_entry(entry("w", "F32", "[2]", 8, 0), {"[8, 0)", "outside"});
  refused_entry(entry("w", "F32", "[3]", 0, 12), {"[0, 12)", "8 bytes of data"});
  refused(R"({"__metadata__":{"format":1}})", 0, {"__metadata__", "\"format\" is not a text"});
}

BOOST_AUTO_TEST_CASE(shapes_that_overflow_are_refused) {
  // 2^62 elements of 4 bytes are 2^64 bytes: 0, and no offset could be told from that of an empty tensor.
  refused("{" + entry("w", "F32", "[4611686018427387904]", 0, 0) + "}", 0, {"\"w\"", "too many elements"});
  refused("{" + entry("w", "F32", "[4294967296,4294967296]", 0, 0) + "}", 0, {"\"w\"", "too many elements"});
  refused("{" + entry("w", "U8", "[9223372036854775807,2,2]", 0, 0) + "}", 0, {"\"w\"", "too many elements"});
  std::string shape = "[1";
  for (int i = 1; i < 33; ++i) shape += ",1";
  refused("{" + entry("w", "U8", shape + "]", 0, 1) + "}", 1, {"33 dimensions"});
}

BOOST_AUTO_TEST_CASE(bytes_of_two_tensors_or_none_are_refused) {
  const auto two = [](std::uint64_t first, std::uint64_t last) {
    return "{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[2]", first, last) + "}";
  };
  BOOST_TEST(parse(two(8, 16), 16).size() == 2u);
  refused(two(4, 12), 16, {"\"b\" overlaps tensor \"a\""});
  refused(two(0, 8), 16, {"overlaps"});
  refused(two(12, 20), 20, {"4 bytes in front of tensor \"b\""});
  refused(two(8, 16), 20, {"last 4 bytes"});
  refused("{}", 5, {"last 5 bytes"});
  refused("{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[0]", 4, 4) + "}", 8, {"overlaps"});
}

BOOST_AUTO_TEST_CASE(hostile_texts_take_bounded_memory_and_make_short_messages) {
  refused("{\"w\":" + std::string(1'000'000, '['), 0, {"nested deeper than 4"});
  std::string many = "{\"w\":[0";
  for (int i = 0; i < 1 << 22; ++i) many += ",0";
  refused(many + "]}", 0, {"more than 4194304 values"});
  const std::string long_name(1'000'000, 'n');
  const std::vector<std::string> headers = {"{\"" + long_name + "\":1}", "{\"" + long_name,
                                            "{\"" + long_name + "\":1,\"" + long_name + "\":1}",
                                            "{\"w\":{\"dtype\":\"" + long_name + "\"}}", "{\"a\\u001b[31m\":1}"};
  for (const std::string& header : headers) {
    try {
      parse(header, 0);
      BOOST_ERROR("not refused");
    } catch (const base::UsageError& error) {
      BOOST_TEST(std::string(error.what()).size() < 700u);
      BOOST_TEST(std::string(error.what()).find('\x1b') == std::string::npos);
    }
  }
}

}  // namespace tessera::safetensors
