// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/bf16_products.hpp"

#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <map>

namespace tessera::tensor::cpu {
namespace {

using dnnl::memory;

/// Everything that oneDNN's code for one tile depends on.
struct Key {
  std::int64_t rows, columns, depth, a_row, a_column, b_row, b_column, c_row;
  bool c_is_bf16, bias, accumulate;
  auto operator<=>(const Key&) const = default;
};

struct Prepared {
  dnnl::matmul code;
  memory::desc a, b, c, bias, scratch;
};

Key key_of(const Product& p, std::int64_t rows, std::int64_t columns) {
  return {rows,
          columns,
          p.k,
          p.a.row_step,
          p.a.column_step,
          p.b.row_step,
          p.b.column_step,
          p.n,
          p.c_type == base::DType::bf16,
          p.bias != nullptr,
          p.accumulate};
}

/// oneDNN 2 describes a product in a type of its own, which oneDNN 3 no longer has. The type is a parameter, so that
/// only the branch that the installed release knows is compiled.
template <class Matmul>
typename Matmul::primitive_desc describe(const dnnl::engine& engine, const Prepared& p,
                                         const dnnl::primitive_attr& attributes) {
  if constexpr (requires { typename Matmul::desc; })
    return {typename Matmul::desc(p.a, p.b, p.bias, p.c), attributes, engine};
  else
    return {engine, p.a, p.b, p.bias, p.c, attributes};
}

Prepared prepared_for(const dnnl::engine& engine, const Key& key) {
  using type = memory::data_type;
  Prepared p;
  p.a = {{key.rows, key.depth}, type::bf16, memory::dims{key.a_row, key.a_column}};
  p.b = {{key.depth, key.columns}, type::bf16, memory::dims{key.b_row, key.b_column}};
  p.c = {{key.rows, key.columns}, key.c_is_bf16 ? type::bf16 : type::f32, memory::dims{key.c_row, 1}};
  if (key.bias) p.bias = {{1, key.columns}, type::f32, memory::dims{key.columns, 1}};
  dnnl::primitive_attr attributes;
  // The default scratchpad belongs to the thread that prepares; tiles run on others, each with its own.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (key.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  const auto description = describe<dnnl::matmul>(engine, p, attributes);
  p.scratch = description.scratchpad_desc();
  p.code = dnnl::matmul(description);
  return p;
}

struct Worker {
  dnnl::stream stream;
  std::vector<std::byte> scratch;
};

const std::byte* element(const Matrix& matrix, std::int64_t row, std::int64_t column) {
  return static_cast<const std::byte*>(matrix.data) +
         static_cast<std::size_t>(row * matrix.row_step + column * matrix.column_step) * sizeof(base::Bf16);
}

}  // namespace

struct Bf16Products::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::map<Key, Prepared> prepared;
  std::vector<Worker> workers;
};

Bf16Products::Bf16Products(int threads) : state_(std::make_unique<State>()) {
  for (int thread = 0; thread < threads; ++thread) state_->workers.push_back({dnnl::stream(state_->engine), {}});
}

Bf16Products::~Bf16Products() = default;

void Bf16Products::prepare(const Product& p, const ProductTile& tile) {
  const auto last = [](std::int64_t size, std::int64_t part) { return size - (size - 1) / part * part; };
  for (const std::int64_t rows : {tile.rows, last(p.m, tile.rows)})
    for (const std::int64_t columns : {tile.columns, last(p.n, tile.columns)}) {
      const Key key = key_of(p, rows, columns);
      auto found = state_->prepared.find(key);
      if (found == state_->prepared.end())
        found = state_->prepared.emplace(key, prepared_for(state_->engine, key)).first;
      const std::size_t needed = found->second.scratch.get_size() + 64;
      for (Worker& worker : state_->workers)
        if (worker.scratch.size() < needed) worker.scratch.resize(needed);
    }
}

int Bf16Products::multiply_tile(const Product& p, const ProductTile& tile, std::int64_t first_row,
                                std::int64_t first_column, int thread) try {
  const std::int64_t rows = std::min(tile.rows, p.m - first_row), columns = std::min(tile.columns, p.n - first_column);
  const Prepared& prepared = state_->prepared.at(key_of(p, rows, columns));
  Worker& worker = state_->workers[static_cast<std::size_t>(thread)];
  const dnnl::engine& engine = state_->engine;
  const auto in = [](const void* data) { return const_cast<void*>(data); };  // oneDNN's memory knows no const
  auto* c = static_cast<std::byte*>(p.c) +
            static_cast<std::size_t>(first_row * p.n + first_column) * base::size_bytes(p.c_type);
  void* scratch = worker.scratch.data();
  std::size_t room = worker.scratch.size();
  std::align(64, prepared.scratch.get_size(), scratch, room);
  std::array<dnnl_exec_arg_t, 5> arguments{};
  const memory a(prepared.a, engine, in(element(p.a, first_row, 0)));
  const memory b(prepared.b, engine, in(element(p.b, 0, first_column)));
  const memory to(prepared.c, engine, c);
  const memory space(prepared.scratch, engine, scratch);
  arguments[0] = {DNNL_ARG_SRC, a.get()};
  arguments[1] = {DNNL_ARG_WEIGHTS, b.get()};
  arguments[2] = {DNNL_ARG_DST, to.get()};
  arguments[3] = {DNNL_ARG_SCRATCHPAD, space.get()};
  memory bias;
  if (p.bias) {
    bias = memory(prepared.bias, engine, in(p.bias + first_column));
    arguments[4] = {DNNL_ARG_BIAS, bias.get()};
  }
  return static_cast<int>(
      dnnl_primitive_execute(prepared.code.get(), worker.stream.get(), p.bias ? 5 : 4, arguments.data()));
} catch (const std::exception&) {  // nothing may be thrown out of the parallel region of the caller
  return static_cast<int>(dnnl_runtime_error);
}

}  // namespace tessera::tensor::cpu
