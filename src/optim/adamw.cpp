// SPDX-License-Identifier: Apache-2.0
#include "optim/adamw.hpp"

#include <cmath>

namespace tessera::optim {
namespace {

void carve(tensor::Arena& arena, const std::vector<OptimizedTile>& tiles, std::vector<tensor::View>& m,
           std::vector<tensor::View>& v) {
  for (const OptimizedTile& tile : tiles) {
    m.push_back(arena.take(base::DType::f32, tile.tile.extent));
    v.push_back(arena.take(base::DType::f32, tile.tile.extent));
  }
}

}  // namespace

std::size_t AdamW::moment_bytes(const std::vector<OptimizedTile>& tiles) {
  tensor::Arena measure;
  std::vector<tensor::View> m, v;
  carve(measure, tiles, m, v);
  return measure.used_bytes();
}

AdamW::AdamW(const config::OptimConfig& config, std::vector<OptimizedTile> tiles)
    : config_(config), tiles_(std::move(tiles)), arena_(moment_bytes(tiles_)) {
  carve(arena_, tiles_, m_, v_);
}

void AdamW::step(tensor::Device& device, std::int64_t update, double lr, double gradient_scale) {
  const auto t = static_cast<double>(update);
  tensor::AdamwStep step{};
  step.lr = static_cast<float>(lr);
  step.beta1 = static_cast<float>(config_.beta1);
  step.beta2 = static_cast<float>(config_.beta2);
  step.epsilon = static_cast<float>(config_.epsilon);
  step.correction1 = static_cast<float>(1.0 - std::pow(config_.beta1, t));
  step.correction2 = static_cast<float>(1.0 - std::pow(config_.beta2, t));
  step.gradient_scale = static_cast<float>(gradient_scale);
  for (std::size_t i = 0; i < tiles_.size(); ++i) {
    step.weight_decay = tiles_[i].decay ? static_cast<float>(config_.weight_decay) : 0.0f;
    tensor::adamw(device, step, tiles_[i].master, tiles_[i].gradient, m_[i], v_[i], tiles_[i].rounded);
  }
}

}  // namespace tessera::optim
