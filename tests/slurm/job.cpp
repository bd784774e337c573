// SPDX-License-Identifier: Apache-2.0
#include "slurm/job.hpp"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fmt/core.h>
#include <iostream>
#include <system_error>

#include "faults/shared_page.hpp"

namespace tessera::testing {

namespace fs = std::filesystem;

JobFixture::~JobFixture() {
  if (id.empty()) return;
  try {
    const std::string left = "test -z \"$(squeue --noheader --job=" + id + " 2>&1 | grep -v Invalid)\"";
    if (cluster
            ->run(left + " || { scancel " + id + "; for try in $(seq 300); do " + left +
                  " && exit; sleep 0.2; done; exit 1; }")
            .exit_code != 0)
      std::cerr << "job " << id << " does not end\n";
  } catch (const std::exception& error) {
    std::cerr << "job " << id << " is left behind: " << error.what() << "\n";
  }
}

/// The program that the job is to run: tessera, or a script that makes steps or saves slow, holds a rank, or adds
/// options to later starts.
std::string JobFixture::program() const {
  if (pace == 0 && later.empty() && instead.empty() && !held) return TESSERA_BINARY;
  const std::string trains = held ? SignalGate(folder.path(), *held).program() : TESSERA_BINARY;
  std::string text = "#!/bin/sh\n[ \"$1\" = train ] || exec " + shell_quoted(TESSERA_BINARY) + " \"$@\"\n";
  if (!later.empty()) text += "[ \"${SLURM_RESTART_COUNT:-0}\" = 0 ] || set -- \"$@\" " + later + "\n";
  if (pace > 0) {
    // The list in LD_PRELOAD has blanks between, and there may be one in the path of the shim.
    if (!fs::exists(folder / "shim.so")) fs::create_symlink(TESSERA_FAULT_SHIM, folder / "shim.so");
    write_file(folder / "page", std::string(sizeof(faults::SharedPage), '\0'));
    text += fmt::format(
        "export LD_PRELOAD={} TESSERA_FAULT_SHARED={} TESSERA_FAULT_FOLDER={} TESSERA_FAULT_DELAYED=all "
        "TESSERA_FAULT_DELAY={:.0f}\n",
        shell_quoted(folder / "shim.so"), shell_quoted(folder / "page"), shell_quoted(paced), pace * 1e6);
  }
  const std::string path = folder / "tessera";
  write_file(path, text + instead + "\nexec " + shell_quoted(trains) + " \"$@\"\n");
  fs::permissions(path, fs::perms::owner_all);
  return path;
}

std::string JobFixture::options(int interval) const {
  if (as_configured) return " ";
  return fmt::format(
      " --run.steps={} --run.eval_interval=0 --model.hidden=128 --model.heads=4 --checkpoint.interval={} ", total_steps,
      interval);
}

bool JobFixture::submit(const std::string& launcher, const std::string& sbatch_options, const std::string& options) {
  if (!cluster_or_skip()) return false;
  if (!members.empty()) write_file(folder / "members", members);
  const ProcessResult submitted =
      cluster->run("export TESSERA_BINARY=" + shell_quoted(program()) + " TESSERA_LAUNCHER=" + launcher +
                   (launcher == "srun" ? " TESSERA_LAUNCHER_OPTIONS=--wait=10" : "") + "; " + environment +
                   "sbatch --parsable " + nodes + " --output=" + shell_quoted(log_file) + " " + sbatch_options + " " +
                   shell_quoted(TESSERA_SOURCE_DIR "/slurm/" + script) + " " + shell_quoted(config) + " " +
                   (members.empty() ? "" : shell_quoted(folder / "members")) + this->options(save_interval) + options);
  BOOST_REQUIRE_MESSAGE(submitted.exit_code == 0, submitted.errors);
  id = submitted.output.substr(0, submitted.output.find('\n'));
  return true;
}

void JobFixture::change_config(const std::string& from, const std::string& to) const {
  std::string text = read_file(config);
  const std::size_t at = text.find(from);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, "no '" << from << "' in " << text);
  write_file(config, text.replace(at, from.size(), to));
}

std::string JobFixture::job(const std::string& key) const {
  const std::string told = " " + cluster->run("scontrol --oneliner show job " + id).output;
  const std::size_t at = told.find(" " + key + "=");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + key.size() + 2;
  return told.substr(begin, told.find(' ', begin) - begin);
}

std::int64_t JobFixture::newest_checkpoint() const {
  std::int64_t newest = 0;
  std::error_code absent;
  for (const fs::directory_entry& file : fs::directory_iterator(run + "/checkpoints", absent))
    if (file.path().extension() == ".h5")
      newest = std::max<std::int64_t>(newest, std::stoll(file.path().stem().string().substr(sizeof "step-" - 1)));
  return newest;
}

void JobFixture::wait_for_job(const std::string& what, double seconds, const std::function<bool()>& condition) const {
  wait_for(what, seconds, condition,
           [&] { return cluster->run("scontrol show job " + id + "; tail -n 20 cluster/*.log").output + log(); });
}

void JobFixture::wait_for_steps(std::int64_t steps) const {
  wait_for_job("training", 120, [&] { return num_steps() >= steps; });
}

void JobFixture::wait_for_gate() const {
  wait_for_job("held rank", 120, [&] { return fs::exists(folder / "reached"); });
}

void JobFixture::wait_for_requeue(int restarts) const {
  wait_for_job("requeued job", 120,
               [&] { return job("Restarts") == std::to_string(restarts) && job("JobState") == "PENDING"; });
}

void JobFixture::wait_for_end(const std::string& state) const {
  wait_for_job("job " + state, 120, [&] {
    const std::string now = job("JobState");
    // A node refuses a job that starts in the second in which it was ended there.
    if (now == "PENDING") cluster->run("sleep 2; scontrol update StartTime=now JobId=" + id);
    return now == state;
  });
}

void JobFixture::ask(const std::string& command) const {
  const ProcessResult result = cluster->run(command + " " + id);
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
}

void JobFixture::kill_script() const {
  const ProcessResult result = cluster->run(fmt::format(
      "kill -KILL $(pgrep --full --oldest \"bash $TESSERA_CLUSTER_DIR/spool/.*/job{:0>5}/slurm_script \")", id));
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
}

void JobFixture::kill_rank(int rank) const {
  const std::string file = shell_quoted(fmt::format("{}/heartbeat/rank-{}.json", run, rank));
  const ProcessResult result = run_shell(R"(kill -KILL $(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' )" + file + ")");
  BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.errors);
}

}  // namespace tessera::testing
