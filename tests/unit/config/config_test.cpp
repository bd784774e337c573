// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <unistd.h>

#include "base/error.hpp"
#include "config/nearest.hpp"
#include "config/options.hpp"
#include "config/parse.hpp"
#include "config/print.hpp"
#include "config/threads.hpp"
#include "config/validate.hpp"

namespace tessera::testing {
namespace {

using namespace tessera::config;

/// A file in the temporary folder, removed by the destructor.
struct TextFile {
  std::string path;
  explicit TextFile(const std::string& text) {
    static int number = 0;
    path = (std::filesystem::temp_directory_path() /
            ("tessera_config_" + std::to_string(::getpid()) + "_" + std::to_string(++number)))
               .string();
    std::ofstream(path) << text;
  }
  ~TextFile() { std::filesystem::remove(path); }
};

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::UsageError& error) {
    return error.what();
  }
  return "(no error)";
}

void expect_words(const std::string& message, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    BOOST_TEST(message.find(word) != std::string::npos, "no '" << word << "' in: " << message);
}

/// A value other than the default for each kind of rule.
std::string other_value(const Option& option) {
  if (option.key == "data.train") return "a.h5:0.7, b.h5:3e-1";
  if (option.values.starts_with("text") || option.key == "data.valid") return "some where/file.h5";
  if (option.values == "true | false") return option.get(Config{}) == "true" ? "false" : "true";
  if (option.values.find(" | ") != std::string::npos) {
    const std::size_t bar = option.values.rfind(" | ");
    return option.values.substr(bar + 3);
  }
  if (option.key == "run.precision") return "fp32";
  if (option.key == "parallel.zero") return "2";
  if (option.values.find("in [0, 1") != std::string::npos) return "0.25";
  if (option.values.find("a size from ") != std::string::npos) return "1048576";
  return "7";
}

BOOST_AUTO_TEST_CASE(every_key_is_set_by_file_and_by_both_forms_of_the_command_line_and_comes_back) {
  for (const Option& option : options()) {
    const std::string value = other_value(option);
    const std::size_t dot = option.key.find('.');
    const std::string section = option.key.substr(0, dot), name = option.key.substr(dot + 1);
    const TextFile file("[" + section + "]\n" + name + " = " + value + "\n");
    const Config from_file = load_config({"--config", file.path}, {}).config;
    const Config adjacent = load_config({"--" + option.key + "=" + value}, {}).config;
    const Config separate = load_config({"--" + option.key, value}, {}).config;
    BOOST_TEST(option.get(from_file) == value, option.key);
    BOOST_TEST(option.get(adjacent) == value, option.key);
    BOOST_TEST(option.get(separate) == value, option.key);
    BOOST_TEST((key_values(parse_text(to_ini(adjacent), "text")) == key_values(adjacent)), option.key);
  }
}

BOOST_AUTO_TEST_CASE(later_files_win_and_the_command_line_wins_over_files) {
  const TextFile first("[model]\nlayers = 3\nheads = 4\n# a remark\n"), second("[model]\nlayers = 5\n");
  const Config config =
      load_config({"--model.hidden=64", "--config", first.path, "--config=" + second.path}, {}).config;
  BOOST_TEST(config.model.layers == 5);
  BOOST_TEST(config.model.heads == 4);
  BOOST_TEST(config.model.hidden == 64);
  BOOST_TEST(load_config({"--config", first.path, "--model.layers", "9"}, {}).config.model.layers == 9);
  const TextFile valid("[data]\nvalid = some.h5\n");
  BOOST_TEST(load_config({"--config", valid.path, "--data.valid="}, {}).config.data.valid == "");
}

BOOST_AUTO_TEST_CASE(flags_and_words_are_told_from_keys) {
  const std::vector<Flag> flags = {{"json", false, ""}, {"prompt", true, "", true}};
  const ParsedConfig parsed =
      load_config({"word", "--json", "--prompt", "-- a", "--prompt=b c", "--optim.lr=1e-3", "last"}, flags);
  BOOST_TEST(parsed.flags.contains("json"));
  BOOST_TEST((parsed.flags.at("prompt") == std::vector<std::string>{"-- a", "b c"}));
  BOOST_TEST((parsed.positional == std::vector<std::string>{"word", "last"}));
  BOOST_TEST(parsed.config.optim.lr == 1e-3);
  BOOST_TEST((parse_flags({"-", "--prompt", "-4"}, flags).positional == std::vector<std::string>{"-"}));
  expect_words(message_of([&] { parse_flags({"--json", "--json"}, flags); }), {"--json is given more than once"});
  expect_words(message_of([&] { parse_flags({"--promt", "x"}, flags); }), {"promt", "prompt"});
  expect_words(message_of([&] { parse_flags({"--prompt"}, flags); }), {"prompt"});
}

BOOST_AUTO_TEST_CASE(every_problem_is_told_at_once) {
  const TextFile file("[model]\nlayer = 3\nheads = none\n[optim]\nlr = 1e999\n");
  expect_words(message_of([&] {
                 load_config({"--config", file.path, "--run.step=4", "--run.seed=-1"}, {});
               }),
               {"model.layer'", "model.layers", "model.heads = 'none'", "optim.lr", "run.steps", "run.seed",
                "5 problems", file.path});
  expect_words(message_of([] { load_config({"--config", "/absent/file.cfg"}, {}); }), {"/absent/file.cfg"});
  const TextFile twice("[run]\nsteps = 1\nsteps = 2\n"), no_line("[run]\nsteps\n");
  expect_words(message_of([&] { load_config({"--config", twice.path}, {}); }), {"run.steps", "twice"});
  expect_words(message_of([&] { load_config({"--config", no_line.path}, {}); }), {no_line.path});
}

BOOST_AUTO_TEST_CASE(bad_values_name_key_value_and_rule) {
  const std::vector<std::vector<std::string>> cases = {{"model.layers", "0", "from 1"},
                                                       {"model.layers", "1.5", "whole"},
                                                       {"model.dropout", "1", "[0, 1)"},
                                                       {"model.dropout", "nan", "[0, 1)"},
                                                       {"optim.lr", "-1", ">= 0"},
                                                       {"optim.lr", "inf", ">= 0"},
                                                       {"optim.lr", "fast", "number"},
                                                       {"run.steps", "1e30", "whole"},
                                                       {"run.precision", "fp8", "fp32"},
                                                       {"run.device", "cuda", "no GPU"},
                                                       {"run.threads", "0", "auto"},
                                                       {"model.tied_head", "yes", "true"},
                                                       {"parallel.timeout", "0", "time"},
                                                       {"parallel.bucket", "1", "4 bytes"},
                                                       {"parallel.tensor", "0", "from 1"},
                                                       {"parallel.pipeline", "2M", "1000000"},
                                                       {"parallel.pipeline_schedule", "2f2b", "zero_bubble"},
                                                       {"parallel.virtual_stages", "0", "from 1"},
                                                       {"parallel.sequence", "1", "true"},
                                                       {"parallel.zero", "3", "from 0 to 2"},
                                                       {"parallel.wire", "fp16", "bf16"},
                                                       {"parallel.reduce", "nccl", "ordered"},
                                                       {"run.trace", "3", "true"},
                                                       {"run.dir", "a#b", "#"},
                                                       {"model.vocab", "1", "auto"},
                                                       {"checkpoint.keep", "0", "from 1"},
                                                       {"run.seed", "1x", "2^64"},
                                                       {"run.threads", "99999999999", "4096"},
                                                       {"optim.epsilon", "0", ">= 1.2e-38"},
                                                       {"optim.epsilon", "1e-60", ">= 1.2e-38"},
                                                       {"model.layers", "9000000000000000000", "100000"},
                                                       {"model.hidden", "1B", "1000000"},
                                                       {"model.hidden", "1", "from 2"},
                                                       {"optim.batch", "1000B", "1000000000"},
                                                       {"parallel.bucket", "2TiB", "1TiB"},
                                                       {"parallel.timeout", "inf", "1000d"},
                                                       {"parallel.timeout", "nan", "1000d"}};
  for (const auto& bad : cases)
    expect_words(message_of([&] { load_config({"--" + bad[0] + "=" + bad[1]}, {}); }), {bad[0], bad[1], bad[2]});
}

BOOST_AUTO_TEST_CASE(rules_between_keys) {
  Config config;
  BOOST_TEST(validate(config, 1).empty());
  config.model.heads = 7;
  config.optim.min_lr = 1;
  config.optim.batch = 7;
  config.parallel.data = "3";
  config.data.valid = "v.h5";
  config.data.valid_fraction = 0.1;
  std::string all;
  const std::vector<Problem> problems = validate(config, 2);
  for (const Problem& problem : problems) all += problem.message + "\n";
  BOOST_TEST(problems.size() == 5U, all);
  expect_words(all, {"model.heads = 7", "6 or 8", "optim.min_lr = 1", "optim.batch = 7", "6 or 8", "parallel.data = 3",
                     "data.valid"});
  Config micro;
  micro.optim.batch = 12;
  micro.optim.micro_batch = 4;
  BOOST_TEST(validate(micro, 3).empty());
  BOOST_TEST(validate(micro, 2).size() == 1U);
  BOOST_TEST(missing_keys(micro, {"run.dir", "run.steps", "optim.batch"}).size() == 2U);
}

BOOST_AUTO_TEST_CASE(warmup_and_decay_may_not_overlap) {
  Config config;
  config.optim.lr_schedule = "wsd";
  config.optim.decay = 0.25;
  config.optim.warmup = 76;
  BOOST_TEST(validate(config, 1).empty());  // no run.steps, no run
  config.run.steps = 100;
  BOOST_REQUIRE(validate(config, 1).size() == 1U);
  expect_words(validate(config, 1).front().message, {"optim.decay = 0.25", "optim.warmup = 76", "run.steps = 100"});
  config.optim.warmup = 75;
  BOOST_TEST(validate(config, 1).empty());
}

BOOST_AUTO_TEST_CASE(rules_of_a_batch_ramp) {
  Config config;
  config.optim.batch = 48;
  config.optim.batch_ramp = 1000;
  const auto expect = [&](int ranks, std::size_t number, const std::vector<std::string>& words) {
    std::string all;
    const std::vector<Problem> problems = validate(config, ranks);
    for (const Problem& problem : problems) all += problem.message + "\n";
    BOOST_TEST(problems.size() == number, all);
    expect_words(all, words);
  };
  expect(1, 1, {"optim.batch_ramp = 1000", "optim.batch_start", "drop it"});
  config.optim.batch_start = 8;
  expect(4, 0, {});
  config.optim.micro_batch = 4;
  expect(4, 1, {"optim.micro_batch = 4", "optim.batch_start, 8 / 4 = 2", "use 2"});
  config.optim.batch_ramp = 0;
  config.optim.batch_start = 9;
  expect(2, 3, {"optim.batch_ramp = 0", "optim.batch_start = 9", "optim.batch = 48", "8 or 12", "the 2 data ranks"});
  config.optim.batch_start = 48;
  config.optim.batch_ramp = 1;
  expect(1, 1, {"optim.batch_start = 48", "smaller"});
}

BOOST_AUTO_TEST_CASE(sizes_whose_bytes_would_not_fit_into_64_bits) {
  Config config;
  config.model.layers = 100'000;
  config.model.hidden = 999'996;
  config.model.context = 100'000'000;
  config.optim.batch = config.optim.micro_batch = 1'000'000'000;
  std::string all;
  for (const Problem& problem : validate(config, 1)) all += problem.message + "\n";
  expect_words(all, {"parameters", "bytes of activations"});
  config.optim.batch = 999'999'937;  // a prime: the search for a divisor must not walk through all numbers
  config.optim.micro_batch = 2;
  all.clear();
  for (const Problem& problem : validate(config, 1)) all += problem.message + "\n";
  expect_words(all, {"use 1 or 999999937"});
}

BOOST_AUTO_TEST_CASE(a_byte_order_mark_in_front_of_a_file_is_skipped) {
  const TextFile file("\xEF\xBB\xBF[model]\nlayers = 3\n");
  BOOST_TEST(load_config({"--config", file.path}, {}).config.model.layers == 3);
}

BOOST_AUTO_TEST_CASE(threads_follow_the_environment) {
  ::unsetenv("OMP_NUM_THREADS");
  BOOST_TEST(resolve_threads("3", 1) == 3);
  BOOST_TEST(load_config({"--run.threads=1k"}, {}).config.run.threads == "1000");
  for (const std::string bad : {"foo", "-3", "0", "3x", "", "4097", "99999999999"})
    expect_words(message_of([&] { resolve_threads(bad, 1, "--threads"); }), {"--threads = '" + bad + "'", "4096"});
  BOOST_TEST(resolve_threads("auto", 100000) == 1);
  BOOST_TEST(resolve_threads("auto", 1) >= 1);
  ::setenv("OMP_NUM_THREADS", "5", 1);
  BOOST_TEST(resolve_threads("auto", 2) == 5);
  ::setenv("OMP_NUM_THREADS", "4,2", 1);
  BOOST_TEST(resolve_threads("auto", 2) == 4);
  ::setenv("OMP_NUM_THREADS", "many", 1);
  BOOST_CHECK_THROW(resolve_threads("auto", 2), base::UsageError);
  ::unsetenv("OMP_NUM_THREADS");
}

/// Binds this thread to one core, as launchers do, and forgets every launcher and job.
struct BoundProcess {
  static constexpr const char* names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_CPUS_ON_NODE", "OMP_NUM_THREADS"};
  cpu_set_t before{};
  int online = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));

  BoundProcess() {
    ::sched_getaffinity(0, sizeof before, &before);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(affinity().front(), &one);
    BOOST_REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    forget();
  }
  ~BoundProcess() {
    forget();
    ::sched_setaffinity(0, sizeof before, &before);
  }
  static void forget() {
    for (const char* name : names) ::unsetenv(name);
  }
};

BOOST_FIXTURE_TEST_CASE(ranks_share_more_cores_than_they_are_bound_to, BoundProcess) {
  BOOST_TEST(cores_for_ranks(1) == 1);  // of its own accord, as under taskset
  for (const char* launcher : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    ::setenv(launcher, "1", 1);
    BOOST_TEST(cores_for_ranks(1) == online, launcher);
    BOOST_TEST(resolve_threads("auto", 1) == online, launcher);
    forget();
  }
  // srun with PMIx, where MPI counts two ranks: threads stay on the cores that the rank was given.
  BOOST_TEST(cores_for_ranks(2) == online);
  BOOST_TEST(resolve_threads("auto", 2) == 1);
  ::setenv("SLURM_CPUS_ON_NODE", "1", 1);
  BOOST_TEST(cores_for_ranks(2) == 1);
  ::setenv("SLURM_CPUS_ON_NODE", "100000", 1);
  BOOST_TEST(cores_for_ranks(2) == online);
}

BOOST_AUTO_TEST_CASE(nearest_by_edits) {
  BOOST_TEST(nearest("model.layer", {"run.steps", "model.layers", "model.hidden"}) == "model.layers");
  BOOST_TEST(nearest("x", {}) == "");
}

BOOST_AUTO_TEST_CASE(the_reference_in_docs_is_the_option_table) {
  std::ifstream file(std::string(TESSERA_SOURCE_DIR) + "/docs/options.md");
  std::ostringstream text;
  text << file.rdbuf();
  BOOST_TEST((text.str() == options_markdown()), "make it again: tessera check --markdown > docs/options.md");
}

}  // namespace
}  // namespace tessera::testing
