// SPDX-License-Identifier: Apache-2.0
#include "jobs/batch_script.hpp"

#include <boost/test/unit_test.hpp>

#include "base/error.hpp"
#include "jobs/program.hpp"
#include "jobs/site.hpp"
#include "support/folder.hpp"

namespace tessera::jobs {
namespace {

constexpr const char* kJobScript =
    "#!/bin/bash\n# what it does\n#SBATCH --signal=B:USR1@180\n#SBATCH --requeue\n#SBATCH --job-name=tessera\n"
    "echo \"$# of $TESSERA_HOME: $*\"\n";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(batch_script)

BOOST_AUTO_TEST_CASE(a_script_holds_options_variables_and_arguments) {
  BatchScript script;
  script.opening = "Written by a test";
  script.options["job-name"] = "mine";
  script.options["output"] = "/a b/\"x\".out";
  script.take_defaults(kJobScript);
  script.variables = {{"TESSERA_HOME", "it's here"}};
  script.arguments = {"/a b/c.cfg", "--run.dir=$HOME"};
  const std::string text = script.text(kJobScript);
  BOOST_TEST(text ==
             "#!/bin/bash\n# Written by a test\n#SBATCH --job-name=mine\n#SBATCH --output=\"/a b/\\\"x\\\".out\"\n"
             "#SBATCH --requeue\n#SBATCH --signal=B:USR1@180\n\nexport TESSERA_HOME='it'\\''s here'\nset -- \\\n"
             "  '/a b/c.cfg' \\\n  '--run.dir=$HOME' \\\n  \"$@\" # options behind this script when it is submitted by "
             "hand\n\n# what it does\necho \"$# of $TESSERA_HOME: $*\"\n");
  const testing::Folder folder;
  BOOST_TEST(run_program({"bash", folder.write("script", text)}).output ==
             "2 of it's here: /a b/c.cfg --run.dir=$HOME\n");
  BOOST_TEST(run_program({"bash", folder.write("script", text), "--run.steps=9"}).output ==
             "3 of it's here: /a b/c.cfg --run.dir=$HOME --run.steps=9\n");
}

/// What --submit relies on in slurm/train.sbatch.
BOOST_AUTO_TEST_CASE(the_job_script_is_the_one_of_the_folder_slurm) {
  BOOST_TEST(train_job_script() == testing::read_bytes(TESSERA_SOURCE_DIR "/slurm/train.sbatch"));
  BatchScript script;
  script.take_defaults(train_job_script());
  BOOST_TEST(script.options.at("signal").starts_with("B:USR1@"));
  BOOST_TEST((script.options.contains("requeue") && script.options.at("open-mode") == "append"));
}

BOOST_AUTO_TEST_CASE(other_options_of_sbatch_are_taken_unless_they_break_the_job) {
  using Option = std::pair<std::string, std::string>;
  BOOST_TEST((parse_sbatch_option("--qos=high") == Option{"qos", "high"}));
  BOOST_TEST((parse_sbatch_option("exclusive") == Option{"exclusive", ""}));
  BOOST_TEST((parse_sbatch_option("--dependency=afterok:1,afterany:2=x").second == "afterok:1,afterany:2=x"));
  for (const char* bad : {"", "-p", "--", "--Nodes=1", "--nodes=2", "array=1-3", "--comment=a\nb", "--chdir=/",
                          "--licenses", "--qos=", "--output=x"})
    BOOST_CHECK_THROW(parse_sbatch_option(bad), base::UsageError);
}

BOOST_AUTO_TEST_CASE(variables_of_sbatch_become_options) {
  std::vector<std::string> used, others;
  const SbatchOptions options = options_of_environment({{"HOME", "/root"},
                                                        {"SBATCH_PARTITION", "batch"},
                                                        {"SBATCH_EXCLUSIVE", "exclusive"},
                                                        {"SBATCH_MEM_PER_NODE", "4G"},
                                                        {"SBATCH_QOS", ""},
                                                        {"SBATCH_NO_KILL", "1"}},
                                                       used, others);
  BOOST_TEST((options == SbatchOptions{{"partition", "batch"}, {"exclusive", ""}, {"mem", "4G"}}));
  BOOST_TEST(
      used == (std::vector<std::string>{"SBATCH_EXCLUSIVE", "SBATCH_MEM_PER_NODE", "SBATCH_PARTITION", "SBATCH_QOS"}),
      boost::test_tools::per_element());
  BOOST_TEST(others == std::vector<std::string>{"SBATCH_NO_KILL=1"}, boost::test_tools::per_element());
  for (const char* name : {"SBATCH_WAIT", "SBATCH_ARRAY_INX", "SBATCH_CLUSTERS"})
    BOOST_CHECK_THROW(options_of_environment({{name, "1"}}, used, others), base::UsageError);
  for (const char* option : {"--wait", "--clusters=other"})
    BOOST_CHECK_THROW(parse_sbatch_option(option), base::UsageError);
}

BOOST_AUTO_TEST_CASE(wall_times_of_people_and_of_slurm) {
  BOOST_TEST(parse_wall_time("2h") == "2:00:00");
  BOOST_TEST(parse_wall_time("2d") == "48:00:00");
  BOOST_TEST(parse_wall_time("90s") == "0:01:30");
  for (const char* text : {"90", "1:30", "1:30:00", "2-0", "2-00:30", "2-00:30:00"})
    BOOST_TEST(parse_wall_time(text) == text);
  for (const char* bad : {"", "-5", "5x", "1-", "0.1s", "-", "1:2:3:4", "1-2-3", "inf", "1e9d"})
    BOOST_CHECK_THROW(parse_wall_time(bad), base::UsageError);
  BOOST_TEST(wall_time_seconds("90") == 5400);
  BOOST_TEST(wall_time_seconds("1:30") == 90);
  BOOST_TEST(wall_time_seconds("1:00:30") == 3630);
  BOOST_TEST(wall_time_seconds("2-1") == 2 * 86400 + 3600);
  BOOST_TEST(wall_time_seconds("2-1:30") == 2 * 86400 + 5400);
  BOOST_TEST(wall_time_seconds("2-1:00:30") == 2 * 86400 + 3630);
}

BOOST_AUTO_TEST_CASE(numbers_of_nodes) {
  BOOST_TEST((parse_nodes("4").least == 4 && parse_nodes("4").most == 4 && parse_nodes("4").text() == "4"));
  BOOST_TEST((parse_nodes("2-8").least == 2 && parse_nodes("2-8").most == 8 && parse_nodes("2-8").text() == "2-8"));
  for (const char* bad : {"", "0", "-1", "8-2", "2-", "2-4-6", "two", "99999999999"})
    BOOST_CHECK_THROW(parse_nodes(bad), base::UsageError);
}

BOOST_AUTO_TEST_CASE(a_site_is_read_as_a_shell_reads_it) {
  const testing::Folder folder;
  const std::string site = folder.write("site.env",
                                        "echo chatter\nTESSERA_RANKS_PER_NODE=8\nPRIVATE=1\nexport SBATCH_QOS='a b'\n"
                                        "no-such-module load x\n");
  std::string complaint;
  const auto environment = read_site(site, complaint);
  BOOST_TEST(environment.at("SBATCH_QOS") == "a b");
  BOOST_TEST(environment.at("TESSERA_RANKS_PER_NODE") == "8");
  BOOST_TEST(!environment.contains("PRIVATE"));
  BOOST_TEST(contains(complaint, "no-such-module"));
  BOOST_TEST(!read_site("", complaint).contains("SBATCH_QOS"));
  BOOST_TEST(complaint == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tessera::jobs
