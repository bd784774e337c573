// SPDX-License-Identifier: Apache-2.0
// Ranks that hold some rows of a micro-batch, or some heads, draw the masks that one rank with all of them draws.
#include <tuple>

#include "unit/tensor/attention_plain.hpp"
#include "unit/tensor/bf16.hpp"

namespace tessera::testing {
namespace {

using Precisions = std::tuple<Buffer, Bf16Buffer>;

/// Parts of 2 * 7 rows: within a sequence, over the edge of two, none, the rest.
constexpr std::int64_t kCuts[] = {0, 3, 9, 9, 14};
constexpr float kEpsilon = 1e-5f;

BOOST_AUTO_TEST_CASE_TEMPLATE(cut_rows_draw_the_masks_of_the_whole, Branch, Precisions) {
  const std::vector<std::uint64_t> samples = {5, (std::uint64_t{1} << 40) + 3};
  const std::int64_t T = 7, R = 2 * T;
  for (const std::int64_t H : {3, 33, 300}) {
    const std::string what = fmt::format("H {}", H);
    const tensor::Dropout whole{0.4f, 9, 21, samples};
    Buffer x({R, H}, 1), dy({R, H}, 2), gain({H}, 3), bias({H}, 4);
    Branch branch({R, H}, 5);
    with_any_threads(what, [&](tensor::Device& device) {
      const auto run = [&](std::int64_t first, std::int64_t count, const tensor::Dropout& dropout, Buffer& plain,
                           Buffer& sum, Branch& y, Branch& dx, Buffer& in_place) {
        const auto cut = [&](auto& buffer) { return buffer.view().rows(first, count); };
        Buffer mean({R}), rstd({R});
        tensor::residual_forward(device, cut(x), cut(branch), dropout, cut(plain));
        tensor::residual_layernorm_forward(device, cut(x), cut(branch), dropout, gain.view(), bias.view(), kEpsilon,
                                           cut(sum), cut(y), cut(mean), cut(rstd));
        tensor::dropout_backward(device, cut(dy), dropout, cut(dx));
        tensor::dropout_backward(device, cut(in_place), dropout, cut(in_place));
      };
      Buffer plain({R, H}), sum({R, H}), in_place = dy, cut_plain({R, H}), cut_sum({R, H}), cut_in_place = dy;
      Branch y({R, H}), dx({R, H}), cut_y({R, H}), cut_dx({R, H});
      run(0, R, whole, plain, sum, y, dx, in_place);
      for (std::size_t part = 0; part + 1 < std::size(kCuts); ++part) {
        tensor::Dropout dropout = whole;
        dropout.rows_per_sample = T;
        dropout.first_row = kCuts[part];
        run(kCuts[part], kCuts[part + 1] - kCuts[part], dropout, cut_plain, cut_sum, cut_y, cut_dx, cut_in_place);
      }
      BOOST_TEST((cut_plain.values == plain.values), what << ": residual");
      BOOST_TEST((cut_sum.values == sum.values), what << ": residual before the norm");
      BOOST_TEST((cut_y.values == y.values), what << ": norm");
      BOOST_TEST((cut_dx.values == dx.values), what << ": gradient");
      BOOST_TEST((cut_in_place.values == in_place.values), what << ": gradient in place");
      Buffer rounded({R, H});
      tensor::dropout_backward(device, dy.view(), whole, rounded.view());
      BOOST_TEST((in_place.values == rounded.values), what << ": in place and not");
      return std::vector{plain.values, sum.values, in_place.values};
    });
  }
}

BOOST_AUTO_TEST_CASE(rows_beyond_the_samples_are_refused) {
  tensor::Device device(1);
  const std::vector<std::uint64_t> samples = {5, 6};
  Buffer x({4, 8});
  Bf16Buffer narrow({4, 8});
  const auto refuses = [&](std::int64_t rows_per_sample, std::int64_t first_row) {
    const tensor::Dropout dropout{0.4f, 9, 21, samples, rows_per_sample, first_row};
    BOOST_CHECK_THROW(tensor::dropout_backward(device, x.view(), dropout, x.view()), std::logic_error);
  };
  refuses(7, 11);
  refuses(7, -1);
  refuses(0, 1);
  refuses(1, 0);
  const View same_memory(reinterpret_cast<base::Bf16*>(x.values.data()), {4, 8});
  BOOST_CHECK_THROW(tensor::dropout_backward(device, x.view(), {}, same_memory), std::logic_error);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(cut_heads_draw_the_masks_of_the_whole, Rows, Precisions) {
  const std::vector<std::uint64_t> samples = {100, 101};
  const tensor::Dropout dropout{0.3f, 4, 5, samples};
  const std::int64_t B = 2, A = 5, D = 8, T = 110, H = A * D;  // two tiles of queries and of keys
  Rows q({B, T, H}, 1), k({B, T, H}, 2), v({B, T, H}, 3), dout({B, T, H}, 4);
  with_any_threads("heads", [&](tensor::Device& device) {
    const auto run = [&](std::int64_t first_head, std::int64_t heads, Rows& out, Rows& dq, Rows& dk, Rows& dv) {
      const auto at = [&](Rows& rows) { return source(rows.values, T, H, first_head * D); };
      const tensor::AttentionShape shape{B, heads, D, T, T, first_head};
      Buffer lse({B, heads, T});
      tensor::attention_forward(device, shape, at(q), at(k), at(v), {}, dropout, at(out), lse.view());
      tensor::attention_backward(device, shape, at(q), at(k), at(v), {}, dropout, at(out), at(dout), lse.view(), at(dq),
                                 at(dk), at(dv));
    };
    const Shape shape{B, T, H};
    Rows out(shape), dq(shape), dk(shape), dv(shape), cut_out(shape), cut_dq(shape), cut_dk(shape), cut_dv(shape);
    run(0, A, out, dq, dk, dv);
    run(0, 2, cut_out, cut_dq, cut_dk, cut_dv);
    run(2, 1, cut_out, cut_dq, cut_dk, cut_dv);
    run(3, 2, cut_out, cut_dq, cut_dk, cut_dv);
    BOOST_TEST((cut_out.values == out.values), "out");
    BOOST_TEST((cut_dq.values == dq.values), "dq");
    BOOST_TEST((cut_dk.values == dk.values), "dk");
    BOOST_TEST((cut_dv.values == dv.values), "dv");
    return std::vector<std::vector<float>>{};
  });
}

}  // namespace
}  // namespace tessera::testing
