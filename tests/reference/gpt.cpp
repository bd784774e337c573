// SPDX-License-Identifier: Apache-2.0
#include "reference/gpt.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::reference {
namespace {

std::string block_prefix(std::size_t layer) {
  return "blocks." + std::to_string(layer) + ".";
}

const char* head_name(const GptConfig& config) {
  return config.tied_head ? "token_embedding" : "head.weight";
}

Values sum(const Values& first, const Values& second) {
  Values result(first.size());
  for (std::size_t i = 0; i < first.size(); ++i) result[i] = first[i] + second[i];
  return result;
}

AttentionSize attention_size(const GptConfig& config, const GptTrace& trace, std::size_t layer) {
  return {trace.batch, config.heads, trace.length, config.hidden / config.heads, layer % 2 == 1 ? config.window : 0};
}

Values embed(const GptConfig& config, const Weights& w, const GptTrace& trace) {
  const std::size_t H = config.hidden;
  const Values &token_table = w.at("token_embedding"), &position_table = w.at("position_embedding");
  Values x(trace.tokens.size() * H);
  for (std::size_t r = 0; r < trace.tokens.size(); ++r) {
    const auto token = static_cast<std::size_t>(trace.tokens[r]);
    for (std::size_t h = 0; h < H; ++h) {
      x[r * H + h] = token_table[token * H + h] + position_table[r % trace.length * H + h];
    }
  }
  return x;
}

BlockTrace block_forward(const GptConfig& config, const Weights& w, const std::string& name, const Values& x,
                         const AttentionSize& size) {
  const std::size_t R = size.batch * size.length;
  const auto layer = [&](const char* part, const Values& input) {
    return linear(input, w.at(name + part + ".weight"), w.at(name + part + ".bias"), R);
  };
  const auto norm = [&](const char* part, const Values& input) {
    return layernorm(input, w.at(name + part + ".gain"), w.at(name + part + ".bias"), config.epsilon);
  };
  BlockTrace b;
  b.x = x;
  b.norm1 = norm("attention_norm", x);
  b.q = layer("attention.query", b.norm1);
  b.k = layer("attention.key", b.norm1);
  b.v = layer("attention.value", b.norm1);
  b.attention = attention(b.q, b.k, b.v, size);
  b.projected = layer("attention.output", b.attention.out);
  b.x1 = sum(x, b.projected);
  b.norm2 = norm("mlp_norm", b.x1);
  b.up = layer("mlp.up", b.norm2);
  for (const double z : b.up) b.activated.push_back(activation(config.activation, z));
  b.down = layer("mlp.down", b.activated);
  b.x2 = sum(b.x1, b.down);
  return b;
}

/// Gradient of the block's input from that of its output.
Values block_backward(const GptConfig& config, const Weights& w, const std::string& name, const BlockTrace& b,
                      const AttentionSize& size, const Values& dx2, Weights& gradients) {
  const std::size_t R = size.batch * size.length;
  const auto layer = [&](const char* part, const Values& dy, const Values& input) {
    return linear_backward(dy, input, w.at(name + part + ".weight"), R, gradients.at(name + part + ".weight"),
                           &gradients.at(name + part + ".bias"));
  };
  const auto norm = [&](const char* part, const Values& dy, const Values& input) {
    return layernorm_backward(dy, input, w.at(name + part + ".gain"), config.epsilon,
                              gradients.at(name + part + ".gain"), gradients.at(name + part + ".bias"));
  };
  Values dup = layer("mlp.down", dx2, b.activated);
  for (std::size_t i = 0; i < dup.size(); ++i) dup[i] *= activation_derivative(config.activation, b.up[i]);
  const Values dx1 = sum(dx2, norm("mlp_norm", layer("mlp.up", dup, b.norm2), b.x1));

  Values dq, dk, dv;
  attention_backward(layer("attention.output", dx1, b.attention.out), b.q, b.k, b.v, b.attention, size, dq, dk, dv);
  Values dnorm1 = layer("attention.query", dq, b.norm1);
  dnorm1 = sum(dnorm1, layer("attention.key", dk, b.norm1));
  dnorm1 = sum(dnorm1, layer("attention.value", dv, b.norm1));
  return sum(dx1, norm("attention_norm", dnorm1, b.x));
}

/// Log of the sum of exponentials of one row of logits.
double log_sum_exp(const double* row, std::size_t V) {
  const double largest = *std::max_element(row, row + V);
  double total = 0;
  for (std::size_t i = 0; i < V; ++i) total += std::exp(row[i] - largest);
  return largest + std::log(total);
}

void cross_entropy(GptTrace& trace, std::size_t V) {
  trace.losses.assign(trace.targets.size(), 0);
  for (std::size_t r = 0; r < trace.targets.size(); ++r) {
    if (trace.targets[r] < 0) continue;
    const double* row = &trace.logits[r * V];
    trace.losses[r] = log_sum_exp(row, V) - row[trace.targets[r]];
    trace.mean_loss += trace.losses[r];
    ++trace.num_targets;
  }
  if (trace.num_targets > 0) trace.mean_loss /= static_cast<double>(trace.num_targets);
}

/// (softmax - onehot) / num_targets; 0 in ignored rows.
Values cross_entropy_backward(const GptTrace& trace, std::size_t V) {
  Values dlogits(trace.logits.size());
  for (std::size_t r = 0; r < trace.targets.size(); ++r) {
    if (trace.targets[r] < 0) continue;
    const double* row = &trace.logits[r * V];
    const double lse = log_sum_exp(row, V), scale = 1 / static_cast<double>(trace.num_targets);
    for (std::size_t i = 0; i < V; ++i) dlogits[r * V + i] = scale * std::exp(row[i] - lse);
    dlogits[r * V + static_cast<std::size_t>(trace.targets[r])] -= scale;
  }
  return dlogits;
}

}  // namespace

GptTrace forward(const GptConfig& config, const Weights& weights, const std::vector<std::int32_t>& tokens,
                 const std::vector<std::int32_t>& targets, std::size_t batch) {
  GptTrace trace;
  trace.batch = batch;
  trace.length = tokens.size() / batch;
  trace.tokens = tokens;
  trace.targets = targets;
  trace.embedded = embed(config, weights, trace);
  const Values* x = &trace.embedded;
  trace.blocks.reserve(config.layers);
  for (std::size_t layer = 0; layer < config.layers; ++layer) {
    trace.blocks.push_back(
        block_forward(config, weights, block_prefix(layer), *x, attention_size(config, trace, layer)));
    x = &trace.blocks.back().x2;
  }
  trace.final_norm = layernorm(*x, weights.at("final_norm.gain"), weights.at("final_norm.bias"), config.epsilon);
  trace.logits = linear(trace.final_norm, weights.at(head_name(config)), {}, tokens.size());
  cross_entropy(trace, config.vocab);
  return trace;
}

Weights backward(const GptConfig& config, const Weights& weights, const GptTrace& trace) {
  Weights gradients;
  for (const auto& [name, value] : weights) gradients.emplace(name, Values(value.size()));

  const Values dlogits = cross_entropy_backward(trace, config.vocab);
  const std::string head = head_name(config);
  const Values dnorm =
      linear_backward(dlogits, trace.final_norm, weights.at(head), trace.tokens.size(), gradients.at(head), nullptr);
  const Values& last = config.layers > 0 ? trace.blocks.back().x2 : trace.embedded;
  Values dx = layernorm_backward(dnorm, last, weights.at("final_norm.gain"), config.epsilon,
                                 gradients.at("final_norm.gain"), gradients.at("final_norm.bias"));
  for (std::size_t layer = config.layers; layer-- > 0;) {
    dx = block_backward(config, weights, block_prefix(layer), trace.blocks[layer], attention_size(config, trace, layer),
                        dx, gradients);
  }

  const std::size_t H = config.hidden;
  Values &dtoken_table = gradients.at("token_embedding"), &dposition_table = gradients.at("position_embedding");
  for (std::size_t r = 0; r < trace.tokens.size(); ++r) {
    for (std::size_t h = 0; h < H; ++h) {
      dtoken_table[static_cast<std::size_t>(trace.tokens[r]) * H + h] += dx[r * H + h];
      dposition_table[r % trace.length * H + h] += dx[r * H + h];
    }
  }
  return gradients;
}

double AdamW::step(Weights& weights, const Weights& gradients) {
  double squares = 0;
  for (const auto& [name, gradient] : gradients) {
    for (const double g : gradient) squares += g * g;
  }
  const double norm = std::sqrt(squares);
  const double factor = norm > settings_.clip_norm ? settings_.clip_norm / norm : 1;
  const auto& [lr, beta1, beta2, epsilon, weight_decay, clip_norm] = settings_;
  const auto t = static_cast<double>(++num_updates_);
  const double correction1 = 1 - std::pow(beta1, t), correction2 = 1 - std::pow(beta2, t);
  for (auto& [name, weight] : weights) {
    const double decay = name.ends_with(".bias") || name.ends_with(".gain") ? 0 : weight_decay;
    const Values& gradient = gradients.at(name);
    Values &m = m_[name], &v = v_[name];
    m.resize(weight.size());
    v.resize(weight.size());
    for (std::size_t i = 0; i < weight.size(); ++i) {
      const double g = factor * gradient[i];
      m[i] = beta1 * m[i] + (1 - beta1) * g;
      v[i] = beta2 * v[i] + (1 - beta2) * g * g;
      weight[i] -= lr * (m[i] / correction1 / (std::sqrt(v[i] / correction2) + epsilon) + decay * weight[i]);
    }
  }
  return norm;
}

}  // namespace tessera::reference
