// SPDX-License-Identifier: Apache-2.0
// Files of one process: written and read tensor by tensor, and which of them stay.
#include "checkpoint/file_writer.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <numeric>
#include <stdexcept>
#include <unistd.h>

#include "base/posix_file.hpp"
#include "checkpoint/file_reader.hpp"

namespace tessera::checkpoint {
namespace {

namespace fs = std::filesystem;

struct Folder {
  std::string path = fs::temp_directory_path() / ("tessera-checkpoint-" + std::to_string(getpid()));
  ~Folder() { fs::remove_all(path); }

  static std::vector<float> values(std::size_t count) {
    std::vector<float> all(count);
    std::iota(all.begin(), all.end(), 0.5f);
    return all;
  }
  static RunState state(std::int64_t step) {
    RunState state;
    state.step = step;
    state.tokens = 17;
    state.config = "[run]\n";
    state.mesh = "data 1";
    return state;
  }
  std::string write(std::int64_t step) const {
    const std::string file = file_name(path, step);
    FileWriter writer(file, state(step), {{"/model/b", {7}}, {"/model/a", {3, 5}}, {"/optimizer/m/b", {7}}});
    const std::vector<float> all = values(15);
    writer.write("/model/a", 5, std::span(all).subspan(5));  // any order
    writer.write("/model/a", 0, std::span(all).first(5));
    for (const char* name : {"/model/b", "/optimizer/m/b"}) writer.write(name, 0, std::span(all).first(7));
    writer.publish();
    return file;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(path)) all.push_back(entry.path().filename().string());
    std::sort(all.begin(), all.end());
    return all;
  }
};

BOOST_FIXTURE_TEST_CASE(what_was_written_is_read, Folder) {
  const FileReader file(write(8));
  BOOST_TEST(file.state().step == 8);
  BOOST_TEST(file.state().tokens == 17);
  BOOST_TEST(file.state().config == "[run]\n");
  BOOST_TEST(file.has_optimizer());
  BOOST_TEST(file.tensors().size() == 3u);
  BOOST_TEST((file.find("/model/a")->shape == std::vector<std::uint64_t>{3, 5}));
  BOOST_TEST(file.find("/model/c") == nullptr);
  std::vector<float> read(10);
  file.read(*file.find("/model/a"), 5, read);
  BOOST_TEST(std::equal(read.begin(), read.end(), values(15).begin() + 5));
  for (const FileReader::Tensor& tensor : file.tensors()) BOOST_TEST(file.is_sound(tensor));
  BOOST_TEST((names() == std::vector<std::string>{"step-00000008.h5"}));
}

BOOST_FIXTURE_TEST_CASE(a_changed_tensor_is_named, Folder) {
  const FileReader file(write(8));
  const std::uint64_t at = file.find("/model/a")->offset + 14 * sizeof(float);
  base::PosixFile::open_write(file.path()).write_at(at, "x", 1);
  BOOST_TEST(!file.is_sound(*file.find("/model/a")));
  BOOST_TEST(file.is_sound(*file.find("/model/b")));
  BOOST_CHECK_EXCEPTION(file.verify(*file.find("/model/a")), DamagedError, [](const DamagedError& error) {
    return std::string(error.what()).find("/model/a has a wrong checksum") != std::string::npos;
  });
}

BOOST_FIXTURE_TEST_CASE(elements_that_were_not_written_are_an_error_of_the_program, Folder) {
  {
    FileWriter writer(file_name(path, 1), state(1), {{"/model/b", {7}}});
    const std::vector<float> all = values(8);
    BOOST_CHECK_THROW(writer.write("/model/b", 0, all), std::logic_error);
    BOOST_CHECK_THROW(writer.write("/model/c", 0, all), std::logic_error);
    writer.write("/model/b", 0, std::span(all).first(6));
    BOOST_CHECK_THROW(writer.publish(), std::logic_error);
  }
  BOOST_TEST(names().empty());  // and nothing is left
}

BOOST_FIXTURE_TEST_CASE(equal_contents_make_equal_files, Folder) {
  const auto content = [](const std::string& file) {
    std::string bytes(fs::file_size(file), '\0');
    base::PosixFile::open_read(file).read_at(0, bytes.data(), bytes.size());
    return bytes;
  };
  const std::string first = content(write(8));
  BOOST_TEST((content(write(8)) == first));
}

BOOST_FIXTURE_TEST_CASE(a_file_that_finds_no_room_is_refused_before_it_is_written, Folder) {
  fs::create_directories(path);
  BOOST_CHECK_EXCEPTION(require_room(path, std::uint64_t{1} << 60), base::SystemError,
                        [&](const base::SystemError& error) {
                          const std::string text = error.what();
                          return text.find("it needs 1024.00 PiB") != std::string::npos &&
                                 text.find("' has ") != std::string::npos && text.find(" free") != std::string::npos;
                        });
  require_room(path, 1);
  const std::uint64_t most = std::uint64_t{1} << 58;
  BOOST_CHECK_THROW(FileWriter(file_name(path, 1), state(1), {{"/model/b", {most}}}), base::SystemError);
  BOOST_TEST(names().empty());
}

BOOST_FIXTURE_TEST_CASE(the_newest_and_some_for_good_are_kept, Folder) {
  for (const std::int64_t step : {2, 4, 6, 8, 10, 12}) write(step);
  const auto steps = [&](std::int64_t newest, const Retention& retention) {
    std::vector<std::int64_t> gone;
    for (const std::string& file : dispensable(path, newest, retention)) gone.push_back(FileReader(file).state().step);
    return gone;
  };
  using Steps = std::vector<std::int64_t>;
  BOOST_TEST((steps(12, {2, 0}) == Steps{2, 4, 6, 8}));
  BOOST_TEST((steps(12, {2, 4}) == Steps{2, 6}));
  BOOST_TEST((steps(12, {9, 0}) == Steps{}));
  BOOST_TEST((steps(12, {0, 0}) == Steps{}));
  BOOST_TEST((steps(6, {1, 0}) == Steps{2, 4}));  // what is newer is not ours to judge
  base::PosixFile::open_write(file_name(path, 10)).write_at(100, "x", 1);
  BOOST_TEST((steps(12, {2, 0}) == Steps{2, 4, 6}));  // a damaged file neither counts nor goes
}

}  // namespace
}  // namespace tessera::checkpoint
