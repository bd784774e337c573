// SPDX-License-Identifier: Apache-2.0
// Files and sets of files as readers see them.
#include <cstring>
#include <stdexcept>
#include <sys/stat.h>

#include "fixture.hpp"
#include "safetensors/file_set.hpp"

namespace tessera::safetensors {
namespace {

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::string one_tensor(const std::string& name, const std::vector<float>& values) {
  const std::string shape = "[" + std::to_string(values.size()) + "]";
  return file_bytes("{" + entry(name, "F32", shape, 0, values.size() * 4) + "}", bytes_of(values));
}

std::vector<float> read_all(const FileSet& files, const std::string& name) {
  const FileSet::Tensor* tensor = files.find(name);
  BOOST_REQUIRE(tensor != nullptr);
  std::vector<float> values(tensor->num_elements());
  files.read(*tensor, 0, values);
  return values;
}

const std::string kIndex = R"({"metadata":{"total_size":12},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})";

/// Two files with an index.
void write_set(const Folder& folder, const std::string& index = kIndex) {
  folder.write("1.safetensors", one_tensor("a", {1, 2}));
  folder.write("2.safetensors", one_tensor("b", {3}));
  folder.write("model.safetensors.index.json", index);
}

void refused(const Folder& folder, const std::vector<std::string>& parts) {
  BOOST_CHECK_EXCEPTION(FileSet(folder.path), base::UsageError, says(parts));
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(ranges_of_each_readable_type, Folder) {
  const std::string header = "{" + entry("half", "F16", "[3]", 0, 6) + "," + entry("brain", "BF16", "[2]", 6, 10) +
                             "," + entry("long", "I64", "[1]", 10, 18) + "," + entry("float", "F32", "[2,2]", 18, 34) +
                             "}";
  const std::string data = bytes_of<std::uint16_t>({0x3C00, 0xC000, 0x0001, 0x3F80, 0xC040}) + std::string(8, '\1') +
                           bytes_of<float>({1.5f, -2.5f, 3.5f, 4.5f});
  const FileSet files(write("x.safetensors", file_bytes(header, data)));
  BOOST_TEST(read_all(files, "half") == (std::vector<float>{1, -2, 0x1p-24f}), boost::test_tools::per_element());
  BOOST_TEST(read_all(files, "brain") == (std::vector<float>{1, -3}), boost::test_tools::per_element());
  std::vector<float> part(2);
  files.read(*files.find("float"), 1, part);
  BOOST_TEST(part == (std::vector<float>{-2.5f, 3.5f}), boost::test_tools::per_element());
  files.read(*files.find("half"), 1, part);
  BOOST_TEST(part == (std::vector<float>{-2, 0x1p-24f}), boost::test_tools::per_element());
  BOOST_CHECK_EXCEPTION(read_all(files, "long"), base::UsageError, says({"x.safetensors", "\"long\"", "I64", "BF16"}));
  BOOST_CHECK_THROW(files.read(*files.find("float"), 3, part), std::logic_error);
  BOOST_CHECK_THROW(files.read(*files.find("float"), ~std::uint64_t{0}, part), std::logic_error);
  BOOST_TEST(files.find("absent") == nullptr);
}

BOOST_FIXTURE_TEST_CASE(what_is_no_file, Folder) {
  BOOST_CHECK_EXCEPTION(FileSet(*this / "absent"), base::UsageError, says({"absent", "does not exist"}));
  BOOST_REQUIRE(::mkfifo((*this / "pipe").c_str(), 0600) == 0);
  BOOST_CHECK_EXCEPTION(FileSet(*this / "pipe"), base::UsageError, says({"pipe", "no regular file"}));
  BOOST_CHECK_EXCEPTION(FileSet(write("empty", "")), base::UsageError, says({"empty", "too short"}));
  refused(*this, {"holds neither 'model.safetensors' nor"});
}

BOOST_FIXTURE_TEST_CASE(a_set_of_files_is_one_model, Folder) {
  write_set(*this);
  const FileSet files(path);
  BOOST_TEST(files.tensors().size() == 2u);
  BOOST_TEST(read_all(files, "a") == (std::vector<float>{1, 2}), boost::test_tools::per_element());
  BOOST_TEST(read_all(files, "b") == (std::vector<float>{3}), boost::test_tools::per_element());
  write("model.safetensors", one_tensor("a", {5}));
  refused(*this, {"both"});
  fs::remove(path / "model.safetensors.index.json");
  BOOST_TEST(read_all(FileSet(path), "a") == std::vector<float>{5}, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(an_index_may_not_leave_its_folder, Folder) {
  write("elsewhere/x.safetensors", one_tensor("a", {1}));
  for (const std::string name :
       {"../elsewhere/x.safetensors", "elsewhere/x.safetensors", "/x.safetensors", "..", ".safetensors", "x.json", "",
        "a\\\\x.safetensors", "x.safetensors\\u0000.safetensors"}) {
    write("model/model.safetensors.index.json", R"({"weight_map":{"a":")" + name + "\"}}");
    BOOST_CHECK_EXCEPTION(FileSet(*this / "model"), base::UsageError, says({"index.json", "\"a\"", "no name of a"}));
  }
}

BOOST_FIXTURE_TEST_CASE(index_and_files_must_name_the_same_tensors, Folder) {
  write_set(*this, R"({"weight_map":{"a":"1.safetensors"}})");
  BOOST_TEST(FileSet(path).tensors().size() == 1u);  // the other file is nobody's
  write_set(*this, R"({"weight_map":{"a":"2.safetensors","c":"1.safetensors"}})");
  refused(*this, {"index.json", "\"a\" is in '1.safetensors', not in \"2.safetensors\"",
                  "\"b\" is in '2.safetensors' but not in the index", "\"c\" is missing in '1.safetensors'"});
  write_set(*this, R"({"weight_map":{"a":"1.safetensors","b":"3.safetensors"}})");
  refused(*this, {"index.json", "3.safetensors", "does not exist"});
  write_set(*this);
  write("2.safetensors", one_tensor("a", {3}));
  refused(*this, {"\"a\"", "1.safetensors", "2.safetensors"});
}

BOOST_FIXTURE_TEST_CASE(an_index_that_is_none, Folder) {
  write_set(*this, "{");
  refused(*this, {"index.json", "line 1"});
  write_set(*this, "{}");
  refused(*this, {"index.json", "weight_map"});
  write_set(*this, R"({"weight_map":{}})");
  refused(*this, {"index.json", "names no tensor"});
  write_set(*this, R"({"weight_map":{"a":1}})");
  refused(*this, {"index.json", "expected a string"});
}

}  // namespace tessera::safetensors
