// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "checkpoint/file_reader.hpp"
#include "checkpoint/file_writer.hpp"
#include "config/print.hpp"
#include "model/parameter_specs.hpp"
#include "support/folder.hpp"
#include "text/tokenizer.hpp"

namespace tessera::convert {

namespace fs = std::filesystem;

using testing::Folder;
using testing::read_bytes;

/// A model of which no two extents are alike, but for those that must be.
inline config::ModelConfig small_model(bool tied = true) {
  config::ModelConfig config;
  config.layers = 2;
  config.hidden = 6;
  config.heads = 3;
  config.context = 5;
  config.vocab = 300;
  config.activation = "relu";
  config.dropout = 0.25;
  config.tied_head = tied;
  return config;
}

/// Values of a parameter that tell it and the place of each.
inline std::vector<float> values_of(const model::ParameterSpec& spec) {
  std::vector<float> values(static_cast<std::size_t>(spec.shape.num_elements()));
  const float start = static_cast<float>(std::hash<std::string>{}(spec.name) % 1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = start + static_cast<float>(i) / 4096;
  return values;
}

/// A checkpoint of that model with values_of(), without moments.
inline std::string write_checkpoint(const std::string& path, const config::ModelConfig& model,
                                    const text::Tokenizer& tokenizer, std::int64_t step = 7) {
  config::Config config;
  config.model = model;
  checkpoint::RunState state;
  state.step = step;
  state.config = config::to_ini(config);
  state.tokenizer = tokenizer.serialize();
  state.tokenizer_fingerprint = tokenizer.fingerprint();
  std::vector<checkpoint::Dataset> datasets;
  for (const model::ParameterSpec& spec : model::parameter_specs(model)) {
    datasets.push_back({"/model/" + spec.name, {}});
    for (int dim = 0; dim < spec.shape.num_dims(); ++dim)
      datasets.back().shape.push_back(static_cast<std::uint64_t>(spec.shape[dim]));
  }
  checkpoint::FileWriter writer(path, state, datasets);
  for (const model::ParameterSpec& spec : model::parameter_specs(model))
    writer.write("/model/" + spec.name, 0, values_of(spec));
  writer.publish();
  return path;
}

/// Passes if the message holds each part.
inline auto says(std::vector<std::string> parts) {
  return [parts = std::move(parts)](const base::UsageError& error) {
    const std::string message = error.what();
    for (const std::string& part : parts)
      BOOST_TEST(message.find(part) != std::string::npos, "no \"" << part << "\" in: " << message);
    return true;
  };
}

}  // namespace tessera::convert
