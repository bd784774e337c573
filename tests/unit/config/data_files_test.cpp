// SPDX-License-Identifier: Apache-2.0
#include "config/data_files.hpp"

#include <boost/test/unit_test.hpp>
#include <fmt/core.h>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "config/parse.hpp"

namespace tessera::config {
namespace {

/// "path=weight path=weight", or the message of the refusal.
std::string read(const std::string& value) {
  std::string text;
  try {
    for (const DataFile& file : parse_data_files("data.train", value))
      text += (text.empty() ? "" : " ") + file.path + fmt::format("={}", file.weight);
  } catch (const base::UsageError& error) {
    return error.what();
  }
  return text;
}

void expect_refused(const std::string& value, const std::vector<std::string>& words) {
  const std::string message = read(value);
  BOOST_TEST(message.starts_with("data.train = '" + value + "' must be "), message);
  for (const std::string& word : words)
    BOOST_TEST(message.find(word) != std::string::npos, "no '" << word << "' in: " << message);
}

BOOST_AUTO_TEST_CASE(one_path_is_taken_as_it_stands) {
  BOOST_TEST(read("") == "");
  BOOST_TEST(read("a b/books.h5") == "a b/books.h5=1");
  BOOST_TEST(read("C:/x.h5") == "C:/x.h5=1");
  BOOST_TEST(read("run:3") == "run:3=1");
}

BOOST_AUTO_TEST_CASE(several_files_have_weights_behind_their_last_colon) {
  BOOST_TEST(read("books.h5:0.7, web.h5:0.3") == "books.h5=0.7 web.h5=0.3");
  BOOST_TEST(read("C:/a b.h5 : 70,x:1:3e1,z:1") == "C:/a b.h5=70 x:1=30 z=1");
  BOOST_TEST(read("a.h5, C:/b.h5") == "a.h5=0 C:/b.h5=0");  // data.valid only
}

BOOST_AUTO_TEST_CASE(what_is_no_list_is_refused_with_the_file_and_the_rule) {
  expect_refused("a.h5:0.5, b.h5", {"'b.h5' has no weight", "rename"});
  expect_refused("a.h5:0, b.h5:1", {"'a.h5' is 0", "above 0"});
  expect_refused("a.h5:-1, b.h5:1", {"'a.h5' is -1"});
  expect_refused("a.h5:inf, b.h5:1", {"'a.h5' is inf"});
  expect_refused("a.h5:1,", {"no name"});
  expect_refused("a.h5:1, :2", {"no name"});
  expect_refused("a.h5:1, a.h5:2", {"'a.h5' stands there twice"});
  expect_refused("a.h5:1e-10, b.h5:1", {"'a.h5'", "billionth"});
}

BOOST_AUTO_TEST_CASE(training_needs_weights_and_evaluation_does_not) {
  BOOST_CHECK_THROW(load_config({"--data.train=a.h5,b.h5"}, {}), base::UsageError);
  BOOST_TEST(load_config({"--data.valid=a.h5,b.h5"}, {}).config.data.valid == "a.h5,b.h5");
  BOOST_CHECK_THROW(load_config({"--data.valid=a.h5,b.h5:1"}, {}), base::UsageError);
  BOOST_TEST(parse_text("[data]\ntrain = a.h5:1, b:x.h5:2\n", "text").data.train == "a.h5:1, b:x.h5:2");
}

}  // namespace
}  // namespace tessera::config
