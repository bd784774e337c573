// SPDX-License-Identifier: Apache-2.0
#include "model/parameters.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <stdexcept>

#include "base/philox.hpp"
#include "tensor/ops.hpp"

namespace tessera::model {
namespace {

using tensor::View;

constexpr auto f32 = base::DType::f32;

/// Calls visit(first, last) for each stretch of parameters that lie back to back.
template <class Visit>
void for_each_joined(const std::vector<Parameter>& parameters, std::size_t first, std::size_t last, Visit visit) {
  for (std::size_t end = first; first < last; first = end) {
    for (end = first + 1; end < last && parameters[end].spec.joins_previous;) ++end;
    visit(first, end);
  }
}

/// Memory for the tiles of parameters [first, last), back to back.
void carve_joined(tensor::Arena& arena, base::DType dtype, std::vector<Parameter>& parameters, std::size_t first,
                  std::size_t last, View Parameter::*member) {
  std::int64_t elements = 0;
  for (std::size_t i = first; i < last; ++i) elements += parameters[i].tile.num_elements();
  const View all = arena.take(dtype, {elements, 1});
  std::int64_t at = 0;
  for (std::size_t i = first; i < last; ++i) {
    const tensor::Shape& shape = parameters[i].tile.extent;
    parameters[i].*member = all.rows(at, shape.num_elements()).reshaped(shape);
    at += shape.num_elements();
  }
}

View joined(const Parameter* first, View Parameter::*member, int count) {
  tensor::Shape shape = (first->*member).shape();
  std::int64_t rows = 0;
  for (int i = 0; i < count; ++i) rows += (first[i].*member).extent(0);
  shape.set(0, rows);
  return {(first->*member).data(), (first->*member).dtype(), shape};
}

}  // namespace

Parameters::Parameters(Measure, const config::ModelConfig& config, const Placement& placement,
                       const ParameterRoom& room)
    : placement_(placement), room_(room) {
  bool embeds = false, has_head = false;
  for (const Part& part : placement.parts) {
    embeds = embeds || part.embeds;
    has_head = has_head || part.has_head;
  }
  folds_embedding_ = config.tied_head && embeds && has_head;
  for (PlacedParameter& placed : placed_parameters(config, placement))
    parameters_.push_back({std::move(placed), {}, {}, {}, {}});
}

Parameters::Parameters(const config::ModelConfig& config, const Placement& placement, const ParameterRoom& room)
    : Parameters(Measure{}, config, placement, room) {
  const Parameters sizes = measured(config, placement, room);
  weight_arena_ = tensor::Arena(sizes.weight_bytes());
  carve_weights(weight_arena_);
  if (!room.gradients) return;
  gradient_arena_ = tensor::Arena(sizes.gradient_bytes());
  carve_gradients(gradient_arena_);
}

Parameters Parameters::measured(const config::ModelConfig& config, const Placement& placement,
                                const ParameterRoom& room) {
  Parameters parameters(Measure{}, config, placement, room);
  parameters.carve_weights(parameters.weight_arena_);
  if (room.gradients) parameters.carve_gradients(parameters.gradient_arena_);
  return parameters;
}

ParameterRoom training_room(const config::Config& config) {
  return {true, config.run.precision == "bf16" ? base::DType::bf16 : base::DType::f32};
}

void Parameters::carve_weights(tensor::Arena& arena) {
  for_each_joined(parameters_, 0, parameters_.size(), [&](std::size_t first, std::size_t last) {
    // Vectors are few, and biases and gains lose most by rounding: they stay f32.
    const bool rounds = room_.dtype != f32 && parameters_[first].spec.shape.num_dims() > 1;
    carve_joined(arena, rounds ? room_.dtype : f32, parameters_, first, last, &Parameter::weight);
    for (std::size_t i = first; i < last; ++i) {
      Parameter& p = parameters_[i];
      p.master = rounds ? arena.take(f32, p.owned().extent) : p.owned_weight();
    }
  });
}

void Parameters::carve_gradients(tensor::Arena& arena) {
  constexpr int kSets = 2;  // of blocks: one is summed over ranks while the next is computed
  std::vector<std::size_t> set_first;
  std::size_t num_blocks = 0;
  for (std::size_t first = 0, last = 0; first < parameters_.size(); first = last) {
    for (last = first; last < parameters_.size() && parameters_[last].group == parameters_[first].group;) ++last;
    const std::string& name = parameters_[first].spec.name;
    const bool shares = placement_.zero == 2 && name.starts_with("blocks.");
    if (shares && num_blocks++ >= kSets) {  // all blocks of a rank have tiles of the same shapes
      const std::size_t set = set_first[(num_blocks - 1) % kSets];
      for (std::size_t i = first; i < last; ++i) parameters_[i].gradient = parameters_[set + i - first].gradient;
      continue;
    }
    if (shares) set_first.push_back(first);
    for_each_joined(parameters_, first, last, [&](std::size_t begin, std::size_t end) {
      carve_joined(arena, f32, parameters_, begin, end, &Parameter::gradient);
    });
  }
  if (placement_.zero == 2)
    for (Parameter& p : parameters_) p.accumulator = arena.take(f32, p.owned().extent);
  if (!holds("token_embedding")) return;
  const View& tokens = get("token_embedding").gradient;
  embedding_gradient_ = folds_embedding_ ? arena.take(f32, tokens.shape()) : tokens;
}

std::vector<int> Parameters::groups_in_memory_of(int group) const {
  const auto first =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Parameter& p) { return p.group == group; });
  std::vector<int> groups;
  for (const Parameter& p : parameters_)
    if (p.gradient.data() == first->gradient.data()) groups.push_back(p.group);
  return groups;
}

void Parameters::initialize(std::uint64_t seed, tensor::Device& device) {
  const base::PhiloxKey key = base::philox_key(seed, base::RandomStream::init);
  const int threads = device.threads();
  for (Parameter& p : parameters_) {
    const std::string& name = p.spec.name;
    const std::uint64_t tensor = base::name_hash(name.data(), name.data() + name.size());
    const auto value = [&](std::int64_t global_element) {
      if (p.spec.init != InitKind::normal) return p.spec.init == InitKind::ones ? 1.0f : 0.0f;
      return p.spec.stddev * base::random_normal(key, tensor, static_cast<std::uint64_t>(global_element));
    };
    const tensor::Tile& tile = p.tile;
    const bool is_matrix = tile.extent.num_dims() > 1;
    const std::int64_t columns = is_matrix ? tile.extent[1] : 1, row_step = is_matrix ? tile.global_shape[1] : 1;
    const std::int64_t start = tile.offset[0] * row_step + (is_matrix ? tile.offset[1] : 0);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t row = 0; row < tile.extent[0]; ++row) {
      const bool owned = row >= p.owned_rows.first && row < p.owned_rows.last();
      for (std::int64_t column = 0; column < columns; ++column) {
        const float drawn = value(start + row * row_step + column);
        const std::int64_t at = row * columns + column;
        if (p.rounded())
          p.weight.as<base::Bf16>()[at] = base::to_bf16(drawn);
        else
          p.weight.as<float>()[at] = drawn;
        if (p.rounded() && owned) p.master.as<float>()[at - p.owned_rows.first * columns] = drawn;
      }
    }
  }
}

void Parameters::round_weights(tensor::Device& device) {
  for (Parameter& p : parameters_)
    if (p.rounded()) tensor::round(device, p.master, p.owned_weight());
}

bool Parameters::holds(std::string_view name) const {
  return std::any_of(parameters_.begin(), parameters_.end(), [&](const Parameter& p) { return p.spec.name == name; });
}

const Parameter& Parameters::get(std::string_view name) const {
  const auto found =
      std::find_if(parameters_.begin(), parameters_.end(), [&](const Parameter& p) { return p.spec.name == name; });
  if (found == parameters_.end()) throw std::logic_error(fmt::format("no parameter is named '{}'", name));
  return *found;
}

View Parameters::joined_weight(std::string_view name, int count) const {
  return joined(&get(name), &Parameter::weight, count);
}

View Parameters::joined_gradient(std::string_view name, int count) const {
  return get(name).gradient.empty() ? View{} : joined(&get(name), &Parameter::gradient, count);
}

}  // namespace tessera::model
