// SPDX-License-Identifier: Apache-2.0
#include <fmt/ranges.h>
#include <functional>
#include <limits>

#include "config/parse.hpp"
#include "config/validate.hpp"
#include "model/parameter_specs.hpp"
#include "text/tokenizer.hpp"
#include "tools/checkpoint_commands.hpp"

namespace tessera::tools {
namespace {

using checkpoint::Problem;

constexpr std::int64_t kMostEntries = std::numeric_limits<std::int64_t>::max();  // of a model that is not known

/// The model of a configuration, without what depends on ranks.
config::ModelConfig parse_model(const std::string& text) {
  config::Config config = config::parse_text(text, "/run/config");
  config.parallel = {};
  config.optim = {};
  config::throw_if_any(config::validate(config, 1));
  if (config.model.vocab == 0) base::fail_usage("model.vocab = 0: a checkpoint holds the size that was resolved");
  return config.model;
}

void inspect_tokenizer(const checkpoint::RunState& state, std::int64_t vocab, std::vector<Problem>& problems) {
  const auto tokenizer = text::deserialize_tokenizer(state.tokenizer, "/run/tokenizer");
  if (tokenizer->fingerprint() != state.tokenizer_fingerprint)
    problems.push_back({"/run/tokenizer", fmt::format("has fingerprint {}, the file says {}", tokenizer->fingerprint(),
                                                      state.tokenizer_fingerprint)});
  if (tokenizer->vocab_size() > vocab)
    problems.push_back({"/run/tokenizer", fmt::format("has {} entries, more than model.vocab = {} of /run/config",
                                                      tokenizer->vocab_size(), vocab)});
}

void inspect_tensors(const checkpoint::FileReader& file, const config::ModelConfig& model,
                     std::vector<Problem>& problems) {
  std::vector<std::string> groups = {"model"};
  if (file.has_optimizer()) groups.insert(groups.end(), {"optimizer/m", "optimizer/v"});
  std::size_t num_known = 0;
  const std::vector<model::ParameterSpec> specs = model::parameter_specs(model);
  for (const std::string& group : groups)
    for (const model::ParameterSpec& spec : specs) {
      const checkpoint::Dataset wanted =
          checkpoint::dataset_of({group, tensor::whole(spec.name, spec.shape), tensor::View{}});
      const checkpoint::FileReader::Tensor* found = file.find(wanted.path);
      if (!found)
        problems.push_back({wanted.path, "is missing"});
      else if (found->shape != wanted.shape)
        problems.push_back({wanted.path, fmt::format("has shape [{}], /run/config asks for [{}]",
                                                     fmt::join(found->shape, ", "), fmt::join(wanted.shape, ", "))});
      if (found) ++num_known;
    }
  if (num_known < file.tensors().size())
    problems.push_back(
        {"", fmt::format("{} tensor(s) are none of the model of /run/config", file.tensors().size() - num_known)});
}

}  // namespace

std::vector<Problem> inspect_model(const checkpoint::FileReader& file) {
  std::vector<Problem> problems;
  const auto parse = [&](const char* text, const std::function<void()>& action) {
    try {
      action();
      return true;
    } catch (const base::Error& error) {
      problems.push_back({text, fmt::format("does not parse: {}", error.what())});
      return false;
    }
  };
  config::ModelConfig model;
  const bool has_model = parse("/run/config", [&] { model = parse_model(file.state().config); });
  parse("/run/tokenizer", [&] { inspect_tokenizer(file.state(), has_model ? model.vocab : kMostEntries, problems); });
  if (has_model) inspect_tensors(file, model, problems);
  return problems;
}

std::string describe(const Problem& problem) {
  return problem.dataset.empty() ? problem.text : problem.dataset + " " + problem.text;
}

}  // namespace tessera::tools
