// SPDX-License-Identifier: Apache-2.0
// The typed configuration. One table (options.cpp) ties each member to its key, help text, default and rule; parser,
// --help, validation and docs/options.md are made from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::config {

struct RunConfig {
  std::string dir;                 // run.dir: run folder; "" where none is needed
  std::string init_from;           // run.init_from: checkpoint whose weights a new run begins with; "": drawn from seed
  std::uint64_t seed = 1337;       // run.seed
  std::int64_t steps = 0;          // run.steps: optimizer steps of the whole run
  std::int64_t stop_after = 0;     // run.stop_after: steps in this start; 0 = no limit
  std::string device = "auto";     // run.device: cpu | auto
  std::string precision = "fp32";  // run.precision: fp32 | bf16
  std::string recompute = "none";  // run.recompute: none | selective | full
  bool trace = false;              // run.trace: write a time line of the first steps of this start
  std::string threads = "auto";    // run.threads: number or auto (OMP_NUM_THREADS, else cores / ranks on the node)
  std::int64_t log_interval = 10;  // run.log_interval: steps between lines on the console
  std::int64_t eval_interval = 0;  // run.eval_interval: steps between evaluations; 0 = only at the end
};

struct ModelConfig {
  std::int64_t layers = 12, hidden = 768, heads = 12, context = 1024;
  std::int64_t vocab = 0;                // 0 = auto: the tokenizer's
  std::string activation = "gelu_tanh";  // gelu_tanh | gelu | relu | silu
  double dropout = 0.0;                  // embedding, attention and residual
  std::string attention = "dense";       // dense | alternating: dense and locally banded layers in turn
  std::int64_t window = 0;               // tokens a banded layer sees
  bool tied_head = true;
  std::int64_t head_dim() const { return hidden / heads; }
  std::int64_t mlp() const { return 4 * hidden; }
};

struct DataConfig {
  std::string train, valid;     // token files, as parse_data_files reads them
  double valid_fraction = 0.0;  // last part of each file of `train` held out when `valid` is empty
  bool document_mask = false;   // attention sees the token's own document only
  std::string tokenizer;        // optional: must equal the token files' tokenizer
};

struct OptimConfig {
  double lr = 6e-4, min_lr = 6e-5;
  std::string lr_schedule = "cosine";  // cosine | linear | constant | wsd
  std::int64_t warmup = 0;             // steps
  double decay = 0.1;                  // wsd: fraction of run.steps in which the rate falls
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0.1;
  double clip_norm = 1.0;             // 0 = off
  double clip_value = 0.0;            // 0 = off
  std::string on_nonfinite = "stop";  // stop | skip
  std::int64_t max_skips = 10;
  std::int64_t batch = 0;        // sequences, global
  std::int64_t batch_start = 0;  // sequences of the first step; 0 = batch, no ramp
  std::int64_t batch_ramp = 0;   // tokens over which it grows to batch
  std::int64_t micro_batch = 0;  // sequences; 0 = auto: by train::resolve
  std::int64_t first_batch() const { return batch_start > 0 ? batch_start : batch; }  // divides every batch of the run
};

struct ParallelConfig {
  std::string data = "auto";               // number or auto = all ranks / (tensor * pipeline)
  std::int64_t tensor = 1, pipeline = 1;   // ranks along these axes
  std::string pipeline_schedule = "1f1b";  // gpipe | 1f1b | interleaved | zero_bubble
  std::int64_t virtual_stages = 1;         // interleaved: stretches of layers a rank holds
  bool sequence = false;                   // LayerNorm, dropout and residual on a cut of the rows
  std::int64_t zero = 0;                   // 0 | 1 | 2 (Rajbhandari et al. 2020): what data ranks share out
  std::string wire = "fp32";               // fp32 | bf16: type in which gradients travel over the data axis
  std::string reduce = "ordered";          // ordered | mpi: who sums gradients
  double timeout = 600;                    // seconds
  std::int64_t bucket_bytes = 25 << 20;    // parallel.bucket: bytes of gradient reduced together
};

struct CheckpointConfig {
  std::int64_t interval = 0;        // steps; 0 = only at the end
  std::int64_t keep = 2;            // newest files kept
  std::int64_t keep_every = 0;      // steps: files of multiples are kept for good; 0 = none
  bool async = true;                // write from a copy while training goes on
  std::string on_failure = "stop";  // stop | continue: if a checkpoint cannot be saved
  std::int64_t stripe = 0;          // Lustre: servers over which a file lies; 0 = as the folder has it
  std::int64_t write_rate = 0;      // bytes a second of each rank at most; 0 = no limit
};

struct Config {
  RunConfig run;
  ModelConfig model;
  DataConfig data;
  OptimConfig optim;
  ParallelConfig parallel;
  CheckpointConfig checkpoint;
};

}  // namespace tessera::config
