// SPDX-License-Identifier: Apache-2.0
// config.json of Hugging Face's GPT-2.
#pragma once

#include <string>
#include <vector>

#include "config/config.hpp"
#include "json/json.hpp"

namespace tessera::convert {

inline constexpr const char* config_file_name = "config.json";

/// What one source says of a key of our configuration.
struct Claim {
  std::string key;     ///< "model.layers"
  std::string value;   ///< as in a configuration file
  std::string source;  ///< "n_layer of 'gpt2/config.json'"
};

/// config.json of a model; `end_token` is its first and last token. Pure.
json::Json gpt2_config(const config::ModelConfig& config, std::int64_t end_token);

/// What a config.json says of our keys; what it leaves out has the value that transformers gives it, as far as that is
/// known. Throws base::UsageError that lists everything in it that our model does not do: another kind of model,
/// another activation, norm or width of the MLP, dropouts that differ.
std::vector<Claim> claims_of(const json::Json& file, const std::string& path);

}  // namespace tessera::convert
