// SPDX-License-Identifier: Apache-2.0
#include "convert/import.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/error.hpp"
#include "base/posix_file.hpp"
#include "checkpoint/file_reader.hpp"
#include "checkpoint/file_writer.hpp"
#include "checkpoint/files.hpp"
#include "config/print.hpp"
#include "convert/inventory.hpp"
#include "convert/transfer.hpp"
#include "model/parameter_specs.hpp"

namespace tessera::convert {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostConfigBytes = 1 << 20;
constexpr const char* kHead = "lm_head.weight";
constexpr const char* kEmbedding = "wte.weight";

bool is_claimed(const std::vector<Claim>& claims, const std::string& key) {
  return std::any_of(claims.begin(), claims.end(), [&](const Claim& claim) { return claim.key == key; });
}

/// Nothing without a config.json.
std::vector<Claim> read_config(const std::string& folder) {
  const std::string path = folder + "/" + config_file_name;
  if (!fs::exists(path)) return {};
  if (!fs::is_regular_file(path)) base::fail_usage("'{}' is no regular file", path);
  const base::PosixFile file = base::PosixFile::open_read(path);
  const std::uint64_t size = file.size_bytes();
  if (size > kMostConfigBytes) base::fail_usage("'{}' has {} bytes: it is no configuration of a model", path, size);
  std::string text(size, '\0');
  file.read_at(0, text.data(), text.size());
  json::Json config;
  try {
    config = json::parse(text, path);
  } catch (const base::Error& error) {
    base::fail_usage("{}", error.what());
  }
  return claims_of(config, path);
}

/// What no source says.
void assume(std::vector<Claim>& claims, const Inventory& inventory, std::vector<std::string>& assumptions) {
  if (!is_claimed(claims, "model.heads"))
    base::fail_usage(
        "nothing says how many attention heads the model has, and no shape depends on it: give --model.heads, or a {} "
        "beside the tensors",
        config_file_name);
  if (!is_claimed(claims, "model.activation"))
    assumptions.emplace_back("model.activation = gelu_tanh, as GPT-2 has it (gelu_new)");
  if (!is_claimed(claims, "model.tied_head"))
    claims.push_back({"model.tied_head", inventory.holds(kHead) ? "false" : "true",
                      inventory.holds(kHead) ? "lm_head.weight is there" : "lm_head.weight is absent"});
}

/// Some files hold the tied head once more; then it must be the embedding.
void require_same_head(const Inventory& inventory, const config::ModelConfig& config, Workspace& workspace) {
  const auto columns = static_cast<std::uint64_t>(config.hidden);
  const std::span<float> both = workspace.piece(2 * columns);
  for (std::int64_t row = 0; row < config.vocab; ++row) {
    const std::uint64_t first = static_cast<std::uint64_t>(row) * columns;
    inventory.read(kEmbedding, first, both.first(columns));
    inventory.read(kHead, first, both.last(columns));
    if (std::memcmp(both.data(), both.data() + columns, columns * sizeof(float)) != 0)
      base::fail_usage(
          "model.tied_head = true, but {} differs from {} in row {}: say tie_word_embeddings = false in {}, or remove "
          "{}",
          kHead, kEmbedding, row, config_file_name, kHead);
  }
}

/// Those of the layout and no other, but for a second head.
void require_tensors(const Inventory& inventory, std::vector<Gpt2Tensor> layout, const config::ModelConfig& config,
                     Workspace& workspace) {
  const bool second_head = config.tied_head && inventory.holds(kHead);
  if (second_head) {
    const auto rows = static_cast<std::uint64_t>(config.vocab), columns = static_cast<std::uint64_t>(config.hidden);
    layout.push_back({kHead, {rows, columns}, false, {}});
  }
  inventory.require(layout);
  if (second_head) require_same_head(inventory, config, workspace);
}

void require_output(const std::string& output) {
  if (fs::exists(fs::symlink_status(output))) base::fail_usage("'{}' exists: name another file", output);
  const auto step = checkpoint::step_of(fs::path(output).filename().string());
  if (step && *step != 0)
    base::fail_usage("'{}' is the name of a checkpoint of step {}, but an imported one is of step 0: name another file",
                     output, *step);
}

void require_tokens(const text::Tokenizer& tokenizer, const config::ModelConfig& config) {
  if (tokenizer.vocab_size() > config.vocab)
    base::fail_usage(
        "the tokenizer has {} tokens, but the model knows {} (model.vocab): it is not the tokenizer of this model; "
        "give its own with --tokenizer",
        tokenizer.vocab_size(), config.vocab);
}

checkpoint::RunState state_of(const config::ModelConfig& model, const text::Tokenizer& tokenizer,
                              const std::string& version) {
  config::Config config;
  config.model = model;
  checkpoint::RunState state;
  state.config = config::to_ini(config);
  state.version = version;
  state.mesh = "none: imported from safetensors";
  state.tokenizer = tokenizer.serialize();
  state.tokenizer_fingerprint = tokenizer.fingerprint();
  return state;
}

std::vector<checkpoint::Dataset> datasets_of(const config::ModelConfig& config) {
  std::vector<checkpoint::Dataset> datasets;
  for (const model::ParameterSpec& spec : model::parameter_specs(config)) {
    datasets.push_back({checkpoint::model_prefix + spec.name, {}});
    for (int dim = 0; dim < spec.shape.num_dims(); ++dim)
      datasets.back().shape.push_back(static_cast<std::uint64_t>(spec.shape[dim]));
  }
  return datasets;
}

}  // namespace

ImportReport import_gpt2(const ImportOptions& options, const text::Tokenizer& tokenizer) {
  require_output(options.output);
  const safetensors::FileSet files(options.folder);
  const Inventory inventory(files);
  ImportReport report;
  std::vector<Claim> claims = options.claims;
  for (const std::vector<Claim>& more : {read_config(options.folder), inventory.claims()})
    claims.insert(claims.end(), more.begin(), more.end());
  assume(claims, inventory, report.assumptions);
  const config::ModelConfig config = report.model = settle(claims, {});
  const std::vector<Gpt2Tensor> layout = gpt2_layout(config);
  Workspace workspace;
  require_tensors(inventory, layout, config, workspace);
  require_tokens(tokenizer, config);

  checkpoint::FileWriter writer(options.output, state_of(config, tokenizer, options.version), datasets_of(config));
  for (const Gpt2Tensor& tensor : layout) {
    from_gpt2(
        tensor,
        [&](const std::string& name, std::uint64_t first, std::span<float> values) {
          inventory.read(name, first, values);
        },
        [&](const std::string& parameter, std::uint64_t first, std::span<const float> values) {
          writer.write(checkpoint::model_prefix + parameter, static_cast<std::int64_t>(first), values);
        },
        workspace);
    report.num_parameters += tensor.num_elements();
    report.buffers.largest_tensor_bytes =
        std::max(report.buffers.largest_tensor_bytes, tensor.num_elements() * sizeof(float));
  }
  writer.publish();
  report.num_tensors = layout.size();
  report.buffers.peak_bytes = workspace.peak_bytes();
  report.digest = checkpoint::FileReader(options.output).digest();
  return report;
}

}  // namespace tessera::convert
