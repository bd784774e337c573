// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tensor/ops_check.hpp"

namespace tessera::tensor {
namespace {

/// `dtype`: of the table.
cpu::TokenArgs token_args(const char* operation, const View& tokens, const View& table, base::DType dtype,
                          std::int64_t first_token, const View& x) {
  const std::int64_t R = x.extent(0), H = x.extent(1), Vt = table.extent(0);
  require(operation, tokens.num_elements() == R && tokens.dtype() == base::DType::i32, "one i32 token for each row");
  require_shape(operation, "x", x, {R, H});
  require_shape(operation, "token table", table, {Vt, H}, dtype);
  require(operation, first_token >= 0, "a first token >= 0");
  return {R, H, Vt, first_token, tokens.as<std::int32_t>()};
}

cpu::PositionArgs position_args(const char* operation, const View& table, base::DType dtype, std::int64_t length,
                                std::int64_t position_offset, std::int64_t first_row, const View& x) {
  const std::int64_t R = x.extent(0), H = x.extent(1), C = table.extent(0);
  require_shape(operation, "x", x, {R, H});
  require_shape(operation, "position table", table, {C, H}, dtype);
  require(operation, length > 0 && position_offset >= 0 && position_offset + length <= C, "a position for every token");
  require(operation, first_row >= 0, "a first row >= 0");
  return {R, H, length, position_offset, first_row};
}

}  // namespace

void embedding_lookup(Device& device, View tokens, View token_table, std::int64_t first_token, View x) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "embedding_lookup";
  const cpu::TokenArgs args = token_args(operation, tokens, token_table, token_table.dtype(), first_token, x);
  with_element(operation, token_table.dtype(), [&]<class T>(T) {
    device.kernels().of<T>().embedding_lookup(args, token_table.as<T>(), x.as<float>(), device.threads());
  });
}

void embedding_positions(Device& device, View position_table, std::int64_t length, std::int64_t position_offset,
                         std::int64_t first_row, const Dropout& dropout, View x) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "embedding_positions";
  const base::DType dtype = position_table.dtype();
  const cpu::PositionArgs args = position_args(operation, position_table, dtype, length, position_offset, first_row, x);
  require(operation, dropout.rate == 0.0f || dropout.first_row == first_row, "the first row in dropout as well");
  with_element(operation, dtype, [&]<class T>(T) {
    device.kernels().of<T>().embedding_positions(args, position_table.as<T>(), to_args(operation, dropout, args.rows),
                                                 x.as<float>(), device.threads());
  });
}

void embedding_backward_positions(Device& device, View dx, std::int64_t length, std::int64_t first_row,
                                  View dposition_table) {
  const Timed timed(device.times(), Work::elementwise);
  const cpu::PositionArgs args =
      position_args("embedding_backward_positions", dposition_table, base::DType::f32, length, 0, first_row, dx);
  device.kernels().embedding_backward_positions(args, dx.as<float>(), dposition_table.as<float>(), device.threads());
}

void embedding_backward_tokens(Device& device, View dx, View tokens, std::int64_t first_token, View dtoken_table) {
  const Timed timed(device.times(), Work::elementwise);
  const cpu::TokenArgs args =
      token_args("embedding_backward_tokens", tokens, dtoken_table, base::DType::f32, first_token, dx);
  device.kernels().embedding_backward_tokens(args, dx.as<float>(), dtoken_table.as<float>(), device.threads());
}

void add_rows(Device& device, std::span<const std::int32_t> rows, View from, View to) {
  const Timed timed(device.times(), Work::elementwise);
  constexpr const char* operation = "add_rows";
  const std::int64_t V = to.extent(0), H = to.extent(1);
  require_shape(operation, "to", to, {V, H});
  require_shape(operation, "from", from, {V, H});
  require(operation, std::all_of(rows.begin(), rows.end(), [V](std::int32_t row) { return row >= 0 && row < V; }),
          "rows of both tables");
  device.kernels().add_rows(static_cast<std::int64_t>(rows.size()), rows.data(), H, from.as<float>(), to.as<float>(),
                            device.threads());
}

}  // namespace tessera::tensor
