// SPDX-License-Identifier: Apache-2.0
#include "train/start_record.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fmt/core.h>
#include <new>
#include <string_view>
#include <unistd.h>

#include "config/layout.hpp"
#include "metrics/lines.hpp"
#include "metrics/process_memory.hpp"
#include "tensor/library.hpp"
#include "train/flops.hpp"

namespace tessera::train {
namespace {

/// A start with less work than this for each thread, some ten seconds of the fastest core, is over before anybody asks
/// for its share of the matrix rate.
constexpr double kLeastFlops = 5e12;
constexpr double kMatrixSeconds = 0.2;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::optional<std::int64_t> environment_number(const char* name) {
  const std::string text = environment(name);
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::int64_t last_step(const config::Config& config, std::int64_t step) {
  const std::int64_t stop_after = config.run.stop_after;
  return stop_after > 0 ? std::min(config.run.steps, step + stop_after) : config.run.steps;
}

}  // namespace

StartRecord::StartRecord(const comm::Communicator& ranks, const config::Config& resolved, std::string version)
    : ranks_(ranks), config_(resolved), version_(std::move(version)), log_(resolved.run.dir) {}

StartRecord& StartRecord::begin() {
  const double nodes = ranks_.sum(ranks_.node_rank() == 0 ? 1.0 : 0.0, "number of nodes");
  std::int64_t number = 1;
  if (ranks_.rank() == 0) {
    metrics::StartBegin begin;
    begin.time_seconds = metrics::wall_seconds();
    begin.host = ranks_.host();
    begin.pid = ::getpid();
    begin.ranks = ranks_.size();
    begin.nodes = static_cast<int>(nodes);
    begin.job = environment("SLURM_JOB_ID");
    begin.array_job = environment("SLURM_ARRAY_JOB_ID");
    begin.array_task = environment("SLURM_ARRAY_TASK_ID");
    begin.restart = environment_number("SLURM_RESTART_COUNT");
    begin.max_restarts = environment_number("TESSERA_MAX_RESTARTS");
    begin.lead_seconds = environment_number("TESSERA_SIGNAL_LEAD");
    begin.steps = config_.run.steps;
    begin.layout = config::describe(config_.parallel, config::layout_of(config_, ranks_.size()));
    begin.version = version_;
    begin.gflop_per_token = flops_per_token(config_.model).causal * 1e-9;
    warn(log_.begin(begin, number));
  }
  ranks_.broadcast<std::int64_t>({&number, 1}, 0, "number of this start");
  number_ = number;
  return *this;
}

void StartRecord::trains(std::int64_t step, Replica& replica) {
  step_ = step;
  const optim::BatchSchedule& batches = replica.batches().schedule();
  const auto sequences =
      static_cast<double>(batches.first_sample(last_step(config_, step)) - batches.first_sample(step));
  const double flops = sequences * static_cast<double>(config_.model.context) * flops_per_token(config_.model).causal;
  std::optional<double> matrix_gflops;
  const int threads = replica.device().threads();
  if (ranks_.max(threads, "threads") * ranks_.size() * kLeastFlops <= flops) {
    ranks_.barrier("matrix rate");  // all at once, as in training
    const base::DType type = model::element_type(config_);
    matrix_gflops = ranks_.sum(tensor::quick_matrix_gflops(type, threads, kMatrixSeconds), "matrix rate");
    metrics::reset_peak_memory();  // that of the measurement is not the run's
  }
  if (ranks_.rank() == 0) warn(log_.trains(number_, step, matrix_gflops));
}

base::ExitCode StartRecord::tell_end(const std::function<base::ExitCode()>& start) {
  try {
    const base::ExitCode code = start();
    ended(code, "");
    return code;
  } catch (const base::SharedError& error) {
    ended(error.code(), error.what());
    throw;
  } catch (const base::Error& error) {
    ended_alone(error.code(), error.what());
    throw;
  } catch (const std::bad_alloc&) {
    ended_alone(base::ExitCode::failed, "not enough memory");
    throw;
  } catch (const std::exception& error) {
    ended_alone(base::ExitCode::failed, error.what());
    throw;
  }
}

void StartRecord::ended(base::ExitCode code, const std::string& error) {
  if (ranks_.rank() == 0 && number_ > 0)
    warn(log_.end(number_, {metrics::wall_seconds(), static_cast<int>(code), step_, error}));
}

/// The others never learn of it: this rank ends them all.
void StartRecord::ended_alone(base::ExitCode code, const std::string& error) {
  if (number_ == 0) return;
  if (ranks_.size() > 1)
    warn(log_.rank_error({number_, metrics::wall_seconds(), ranks_.rank(), ranks_.host(), ::getpid(),
                          static_cast<int>(code), step_, error}));
  ended(code, ranks_.size() == 1 ? error : fmt::format("rank 0 on {}: {}", ranks_.host(), error));
}

void StartRecord::warn(const std::string& problem) {
  if (problem.empty() || warned_) return;
  warned_ = true;
  fmt::print(stderr, "warning: {}. Training goes on; tessera status will know less\n", problem);
}

}  // namespace tessera::train
