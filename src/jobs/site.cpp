// SPDX-License-Identifier: Apache-2.0
#include "jobs/site.hpp"

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "base/error.hpp"
#include "jobs/program.hpp"

namespace tessera::jobs {
namespace {

namespace fs = std::filesystem;

// A site may switch `-u` off and on, or end with a command that fails: what it exported counts all the same.
constexpr const char* kReadSite = R"(if [ -n "$1" ]; then . "$1" >/dev/null; fi
env -0
printf 'TESSERA_RANKS_PER_NODE=%s\0' "${TESSERA_RANKS_PER_NODE:-}")";

bool is_readable(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), R_OK) == 0;
}

}  // namespace

std::string find_site(const std::string& program) {
  if (const char* named = std::getenv("TESSERA_SITE"); named && *named) {
    if (::access(named, R_OK) != 0)
      base::fail_usage("TESSERA_SITE = '{}' cannot be read: name the file with facts of your site, or unset it", named);
    return fs::absolute(named).string();
  }
  std::vector<fs::path> homes;
  if (const char* home = std::getenv("TESSERA_HOME"); home && *home) homes.emplace_back(home);
  const fs::path folder = fs::path(program).parent_path();  // PREFIX/bin, or build/release/bin
  homes.insert(homes.end(), {".", folder.parent_path(), folder.parent_path().parent_path().parent_path()});
  for (const fs::path& home : homes)
    if (const std::string path = (home / "slurm/site.env").string(); is_readable(path))
      return fs::absolute(path).lexically_normal().string();
  return "";
}

std::map<std::string, std::string> read_site(const std::string& site, std::string& complaint) {
  const ProgramEnd end = run_program({"bash", "-c", kReadSite, "bash", site});
  if (!end.succeeded()) base::fail("the environment cannot be read with bash: {}", end.errors);
  complaint = end.errors;
  std::map<std::string, std::string> environment;
  std::istringstream variables(end.output);
  for (std::string variable; std::getline(variables, variable, '\0');)
    if (const std::size_t equals = variable.find('='); equals != std::string::npos)
      environment[variable.substr(0, equals)] = variable.substr(equals + 1);
  return environment;
}

}  // namespace tessera::jobs
