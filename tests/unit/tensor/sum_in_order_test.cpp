// SPDX-License-Identifier: Apache-2.0
#include <tuple>

#include "unit/tensor/bf16.hpp"

namespace tessera::testing {
namespace {

using Precisions = std::tuple<Buffer, Bf16Buffer>;

float value_of(float value) {
  return value;
}

float value_of(base::Bf16 value) {
  return widened(value);
}

/// Sizes of the parts differ by powers of ten, so that another order has other sums.
template <class Part>
std::vector<Part> some_parts(std::int64_t count, std::int64_t size) {
  std::vector<Part> parts;
  for (std::int64_t k = 0; k < count; ++k)
    parts.push_back(Part({size}, static_cast<std::uint64_t>(k), k % 3 == 1 ? 1e4f : k % 3 == 2 ? 1e-3f : 1.0f));
  return parts;
}

template <class Part>
std::vector<View> views_of(std::vector<Part>& parts) {
  std::vector<View> views;
  for (Part& part : parts) views.push_back(part.view());
  return views;
}

BOOST_AUTO_TEST_CASE_TEMPLATE(parts_are_added_in_order_and_rounded_once, Part, Precisions) {
  for (const std::int64_t size : {1, 7, 1024, 1025, 70001})
    for (const std::int64_t count : {1, 2, 3, 8, 67}) {
      if (size > 2000 && count > 8) continue;
      const std::string what = fmt::format("{} parts of {}", count, size);
      const std::vector<Part> parts = some_parts<Part>(count, size);
      std::vector<float> expected;
      for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) {
        float sum = value_of(parts[0].values[i]);
        for (std::size_t k = 1; k < parts.size(); ++k) sum += value_of(parts[k].values[i]);
        expected.push_back(sum);
      }
      with_any_threads(what, [&](tensor::Device& device) {
        std::vector<Part> read = parts;
        Buffer out({size}, 99);
        Bf16Buffer rounded({size}, 98);
        tensor::sum_in_order(device, views_of(read), out.view());
        tensor::sum_in_order(device, views_of(read), rounded.view());
        BOOST_TEST((out.values == expected), what);
        for (std::size_t i = 0; i < expected.size(); ++i) BOOST_REQUIRE(rounded.values[i] == nearest_bf16(expected[i]));
        for (const std::int64_t into : {std::int64_t{0}, count / 2, count - 1}) {
          std::vector<Part> in_place = parts;
          Part& target = in_place[static_cast<std::size_t>(into)];
          tensor::sum_in_order(device, views_of(in_place), target.view());
          for (std::size_t i = 0; i < expected.size(); ++i)
            BOOST_REQUIRE(value_of(target.values[i]) ==
                          (std::is_same_v<Part, Buffer> ? expected[i] : widened(nearest_bf16(expected[i]))));
        }
        return std::vector{out.values, rounded.floats()};
      });
    }
}

BOOST_AUTO_TEST_CASE(sums_of_parts_that_do_not_fit_are_refused) {
  tensor::Device device(1);
  Buffer x({4}), longer({5});
  Bf16Buffer narrow({4});
  const View over_x(reinterpret_cast<base::Bf16*>(x.values.data()), {4});
  const std::vector<View> mixed = {x.view(), narrow.view()}, uneven = {x.view(), longer.view()}, one = {x.view()};
  BOOST_CHECK_THROW(tensor::sum_in_order(device, mixed, x.view()), std::logic_error);
  BOOST_CHECK_THROW(tensor::sum_in_order(device, uneven, x.view()), std::logic_error);
  BOOST_CHECK_THROW(tensor::sum_in_order(device, {}, x.view()), std::logic_error);
  BOOST_CHECK_THROW(tensor::sum_in_order(device, one, over_x), std::logic_error);
}

}  // namespace
}  // namespace tessera::testing
