// SPDX-License-Identifier: Apache-2.0
#include "config/options.hpp"

#include <charconv>

#include "config/data_files.hpp"
#include "config/option_values.hpp"
#include "config/threads.hpp"

namespace tessera::config {
namespace {

constexpr std::int64_t kMostSteps = 1'000'000'000'000, kMostSequences = 1'000'000'000, kMostTokens = 100'000'000,
                       kMostWidth = 1'000'000, kMostLayers = 100'000, kMostRampTokens = 1'000'000'000'000'000;

Option seed_option() {
  const char* key = "run.seed";
  const std::string rule = "a whole number from 0 to 2^64 - 1";
  return {key, "seed of initial weights, data order, dropout", rule,
          [](const Config& config) { return std::to_string(config.run.seed); },
          [=](Config& config, const std::string& value) {
            const char* end = value.data() + value.size();
            const auto [stop, error] = std::from_chars(value.data(), end, config.run.seed);
            if (error != std::errc() || stop != end) refuse(key, value, rule);
          }};
}

Option seconds_option(const char* key, const char* help, ParallelConfig Config::*section,
                      double ParallelConfig::*member) {
  const std::string rule = "a time > 0 and at most 1000d, as in 90, 10m, 2h";
  return {key, help, rule, [=](const Config& config) { return fmt::format("{}", config.*section.*member); },
          [=](Config& config, const std::string& value) {
            const double seconds =
                parse_or_refuse(key, value, rule, [](const std::string& text) { return base::parse_seconds(text); });
            if (!(seconds > 0 && seconds <= 1000 * 86400.0)) refuse(key, value, rule);
            config.*section.*member = seconds;
          }};
}

template <class Section>
Option bytes_option(const char* key, const char* help, Section Config::*section, std::int64_t Section::*member,
                    std::int64_t least, bool or_zero = false) {
  const std::string rule = fmt::format("{}a size from {} bytes to 1TiB, as in 25MiB", or_zero ? "0 or " : "", least);
  return {key, help, rule, [=](const Config& config) { return std::to_string(config.*section.*member); },
          [=](Config& config, const std::string& value) {
            const std::int64_t bytes =
                parse_or_refuse(key, value, rule, [](const std::string& text) { return base::parse_bytes(text); });
            if ((bytes < least && !(or_zero && bytes == 0)) || bytes > std::int64_t{1} << 40) refuse(key, value, rule);
            config.*section.*member = bytes;
          }};
}

Option files_option(const char* key, const char* help, const char* values, std::string DataConfig::*member,
                    bool with_weights) {
  Option option = text_option(key, help, &Config::data, member);
  option.values = values;
  option.set = [=, set_text = option.set](Config& config, const std::string& value) {
    for (const DataFile& file : parse_data_files(key, value))
      if (with_weights && file.weight == 0)
        refuse(
            key, value,
            "path:weight, path:weight, ... for several files (a path with a comma cannot be given: rename the file)");
    set_text(config, value);
  };
  return option;
}

void add_run(std::vector<Option>& table) {
  const auto run = &Config::run;
  table.push_back(text_option("run.dir", "run folder: configuration, metrics, checkpoints", run, &RunConfig::dir));
  table.push_back(text_option("run.init_from",
                              "checkpoint or run folder whose weights a run without checkpoints begins with; more "
                              "layers, tokens or context than it has are allowed",
                              run, &RunConfig::init_from));
  table.push_back(seed_option());
  table.push_back(count_option("run.steps", "optimizer steps of the whole run", run, &RunConfig::steps, 0, kMostSteps));
  table.push_back(
      count_option("run.stop_after", "steps in this start; 0: no limit", run, &RunConfig::stop_after, 0, kMostSteps));
  table.push_back(choice_option("run.device", "where to compute", run, &RunConfig::device, {"cpu", "auto"},
                                " (this build has no GPU backend)"));
  table.push_back(choice_option("run.precision",
                                "type of weights and activations; masters, gradients and sums are fp32 in both", run,
                                &RunConfig::precision, {"fp32", "bf16"}));
  table.push_back(choice_option("run.recompute", "what backward computes again instead of keeping it; exact", run,
                                &RunConfig::recompute, {"none", "selective", "full"}));
  table.push_back(auto_option("run.threads", "threads a rank; auto: OMP_NUM_THREADS, else cores / ranks on the node",
                              run, &RunConfig::threads, most_threads));
  table.push_back(count_option("run.log_interval", "steps between lines on the console", run, &RunConfig::log_interval,
                               1, kMostSteps));
  table.push_back(count_option("run.eval_interval", "steps between evaluations; 0: only at the end", run,
                               &RunConfig::eval_interval, 0, kMostSteps));
  table.push_back(bool_option("run.trace",
                              "write the time line of the first 20 steps of this start to trace.json in the run "
                              "folder; fewer if they are more than 200000 events a rank",
                              run, &RunConfig::trace));
}

void add_model(std::vector<Option>& table) {
  const auto model = &Config::model;
  table.push_back(count_option("model.layers", "decoder blocks", model, &ModelConfig::layers, 1, kMostLayers));
  table.push_back(
      count_option("model.hidden", "width of the residual stream", model, &ModelConfig::hidden, 2, kMostWidth));
  table.push_back(
      count_option("model.heads", "attention heads; divides model.hidden", model, &ModelConfig::heads, 1, kMostWidth));
  table.push_back(count_option("model.context", "most tokens the model sees at once", model, &ModelConfig::context, 1,
                               kMostTokens));
  table.push_back(count_option("model.vocab", "tokens the model knows; auto: those of the tokenizer", model,
                               &ModelConfig::vocab, 2, kMostTokens, "auto"));
  table.push_back(choice_option("model.activation", "activation function of the MLP", model, &ModelConfig::activation,
                                {"gelu_tanh", "gelu", "relu", "silu"}));
  table.push_back(real_option("model.dropout", "rate on embeddings, attention probabilities and both branches", model,
                              &ModelConfig::dropout, 0.0, 1.0, true));
  table.push_back(choice_option("model.attention", "alternating: even layers dense, odd ones banded", model,
                                &ModelConfig::attention, {"dense", "alternating"}));
  table.push_back(count_option("model.window", "tokens that a banded layer sees, the current one among them", model,
                               &ModelConfig::window, 0, kMostTokens));
  table.push_back(
      bool_option("model.tied_head", "the head shares the token embedding", model, &ModelConfig::tied_head));
}

void add_data(std::vector<Option>& table) {
  const auto data = &Config::data;
  table.push_back(files_option("data.train", "token files to train on; samples are mixed by weight",
                               "a path, or path:weight, path:weight, ...", &DataConfig::train, true));
  table.push_back(files_option("data.valid", "token files to evaluate on; without weights every token counts the same",
                               "a path, or several with commas, with weights or without", &DataConfig::valid, false));
  table.push_back(real_option("data.valid_fraction",
                              "last part of each file of data.train held out when data.valid is empty", data,
                              &DataConfig::valid_fraction, 0.0, 1.0, true));
  table.push_back(bool_option("data.document_mask",
                              "attention sees only the document a token belongs to, not others in its window", data,
                              &DataConfig::document_mask));
  table.push_back(text_option("data.tokenizer", "if set, must be the tokenizer of data.train: bytes or a path", data,
                              &DataConfig::tokenizer));
}

/// Where a gradient is always 0, AdamW divides 0 by epsilon in fp32: it must be above 0 as a float, too.
constexpr double kLeastEpsilon = 1.2e-38;

void add_optim(std::vector<Option>& table) {
  const auto optim = &Config::optim;
  table.push_back(real_option("optim.lr", "highest learning rate", optim, &OptimConfig::lr, 0.0));
  table.push_back(
      real_option("optim.min_lr", "learning rate at run.steps, unless constant", optim, &OptimConfig::min_lr, 0.0));
  table.push_back(choice_option("optim.lr_schedule",
                                "course of the learning rate after warmup; wsd: constant, then a line to optim.min_lr",
                                optim, &OptimConfig::lr_schedule, {"cosine", "linear", "constant", "wsd"}));
  table.push_back(count_option("optim.warmup", "steps of linear warmup", optim, &OptimConfig::warmup, 0, kMostSteps));
  table.push_back(real_option("optim.decay", "wsd: last fraction of run.steps, in which the learning rate falls", optim,
                              &OptimConfig::decay, 0.0, 1.0));
  table.push_back(
      real_option("optim.beta1", "AdamW: decay of the first moment", optim, &OptimConfig::beta1, 0.0, 1.0, true));
  table.push_back(
      real_option("optim.beta2", "AdamW: decay of the second moment", optim, &OptimConfig::beta2, 0.0, 1.0, true));
  table.push_back(real_option("optim.epsilon", "AdamW: added to the root of the second moment", optim,
                              &OptimConfig::epsilon, kLeastEpsilon));
  table.push_back(real_option("optim.weight_decay", "decoupled decay; none on biases and LayerNorm", optim,
                              &OptimConfig::weight_decay, 0.0));
  table.push_back(
      real_option("optim.clip_norm", "largest global gradient norm; 0: off", optim, &OptimConfig::clip_norm, 0.0));
  table.push_back(
      real_option("optim.clip_value", "largest element of a gradient; 0: off", optim, &OptimConfig::clip_value, 0.0));
  table.push_back(choice_option("optim.on_nonfinite", "what a loss or gradient that is not finite does", optim,
                                &OptimConfig::on_nonfinite, {"stop", "skip"}));
  table.push_back(count_option("optim.max_skips", "skipped steps that a run survives", optim, &OptimConfig::max_skips,
                               0, kMostSteps));
  table.push_back(
      count_option("optim.batch", "sequences a step, over all ranks", optim, &OptimConfig::batch, 0, kMostSequences));
  table.push_back(count_option("optim.batch_start",
                               "sequences of the first step, in multiples of which the batch grows; 0: no ramp", optim,
                               &OptimConfig::batch_start, 0, kMostSequences));
  table.push_back(count_option("optim.batch_ramp", "tokens over which the batch grows in a line to optim.batch", optim,
                               &OptimConfig::batch_ramp, 0, kMostRampTokens));
  table.push_back(count_option(
      "optim.micro_batch",
      "sequences computed at once on a rank; auto: its share of the batch, at most 8192 tokens; with a pipeline at "
      "most "
      "share / (4 x pipeline), so that its ranks seldom wait, interleaved: micro-batches in multiples of pipeline",
      optim, &OptimConfig::micro_batch, 1, kMostSequences, "auto"));
}

void add_parallel(std::vector<Option>& table) {
  const auto parallel = &Config::parallel;
  table.push_back(auto_option("parallel.data", "data ranks; auto: all ranks / (tensor x pipeline)", parallel,
                              &ParallelConfig::data, most_ranks));
  table.push_back(count_option("parallel.tensor", "ranks that share out each layer: heads, MLP columns, vocabulary",
                               parallel, &ParallelConfig::tensor, 1, most_ranks));
  table.push_back(count_option("parallel.pipeline", "ranks that share out the layers", parallel,
                               &ParallelConfig::pipeline, 1, most_ranks));
  table.push_back(choice_option("parallel.pipeline_schedule", "order in which pipeline ranks compute micro-batches",
                                parallel, &ParallelConfig::pipeline_schedule,
                                {"gpipe", "1f1b", "interleaved", "zero_bubble"}));
  table.push_back(count_option("parallel.virtual_stages", "interleaved: stretches of layers that a rank holds",
                               parallel, &ParallelConfig::virtual_stages, 1, kMostLayers));
  table.push_back(bool_option("parallel.sequence",
                              "tensor ranks share out the rows of LayerNorm, dropout and residual, too", parallel,
                              &ParallelConfig::sequence));
  table.push_back(count_option("parallel.zero",
                               "data ranks share out 1: masters and moments, 2: summed gradients, too; 0: nothing",
                               parallel, &ParallelConfig::zero, 0, 2));
  table.push_back(choice_option("parallel.wire", "type in which gradients travel between data ranks", parallel,
                                &ParallelConfig::wire, {"fp32", "bf16"}));
  table.push_back(choice_option("parallel.reduce",
                                "who sums gradients; ordered: we, in order of ranks, bit-stable; mpi: the MPI library",
                                parallel, &ParallelConfig::reduce, {"ordered", "mpi"}));
  table.push_back(seconds_option("parallel.timeout", "seconds a rank waits for a message before the job ends", parallel,
                                 &ParallelConfig::timeout));
  table.push_back(bytes_option("parallel.bucket", "bytes of gradient that are summed over ranks together", parallel,
                               &ParallelConfig::bucket_bytes, 4));
}

void add_checkpoint(std::vector<Option>& table) {
  const auto checkpoint = &Config::checkpoint;
  table.push_back(count_option("checkpoint.interval", "steps between checkpoints; 0: only at the end", checkpoint,
                               &CheckpointConfig::interval, 0, kMostSteps));
  table.push_back(count_option("checkpoint.keep", "newest checkpoints that are kept", checkpoint,
                               &CheckpointConfig::keep, 1, kMostSteps));
  table.push_back(count_option("checkpoint.keep_every",
                               "steps; checkpoints of its multiples are kept for good; 0: none", checkpoint,
                               &CheckpointConfig::keep_every, 0, kMostSteps));
  table.push_back(bool_option("checkpoint.async",
                              "write checkpoints from a copy in memory while training goes on (not the last one)",
                              checkpoint, &CheckpointConfig::async));
  table.push_back(choice_option("checkpoint.on_failure",
                                "if a checkpoint cannot be saved before the end, as on a full disk", checkpoint,
                                &CheckpointConfig::on_failure, {"stop", "continue"}));
  table.push_back(count_option("checkpoint.stripe",
                               "on Lustre: storage servers over which a checkpoint lies; 0: as the folder has it",
                               checkpoint, &CheckpointConfig::stripe, 0, 2000));
  table.push_back(
      bytes_option("checkpoint.write_rate",
                   "bytes that a rank writes a second at most beside training, to leave others the disk; 0: "
                   "no limit; the last checkpoint has none",
                   checkpoint, &CheckpointConfig::write_rate, 64 << 10, true));
}

}  // namespace

double parse_double(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end ? value : std::numeric_limits<double>::quiet_NaN();
}

const std::vector<Option>& options() {
  static const std::vector<Option> table = [] {
    std::vector<Option> all;
    add_run(all);
    add_model(all);
    add_data(all);
    add_optim(all);
    add_parallel(all);
    add_checkpoint(all);
    return all;
  }();
  return table;
}

const Option* find_option(const std::string& key) {
  for (const Option& option : options())
    if (option.key == key) return &option;
  return nullptr;
}

}  // namespace tessera::config
