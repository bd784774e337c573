// SPDX-License-Identifier: Apache-2.0
// The pieces of the embedding, on all of the vocabulary and the rows and on parts of them.
#include <tuple>

#include "unit/tensor/bf16.hpp"

namespace tessera::testing {
namespace {

using Precisions = std::tuple<Buffer, Bf16Buffer>;

constexpr std::int64_t B = 3, T = 11, R = B * T, V = 7, C = 20;
constexpr std::int64_t kWidths[] = {1, 5, 64, 100, 300};

std::vector<std::int32_t> some_tokens() {
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = 0; i < R; ++i) tokens.push_back(static_cast<std::int32_t>(i * i % V));
  return tokens;
}

std::size_t at(std::int64_t row, std::int64_t column, std::int64_t width) {
  return static_cast<std::size_t>(row * width + column);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(embedding_adds_tables_and_collects_gradients, Table, Precisions) {
  const std::vector<std::uint64_t> samples = {3, 4, 9};
  std::vector<std::int32_t> ids = some_tokens();
  const View tokens(ids.data(), {B, T});
  for (const std::int64_t H : kWidths)
    for (const float rate : {0.0f, 0.5f}) {
      const std::string what = fmt::format("H {} rate {}", H, rate);
      const std::int64_t offset = rate > 0 ? 0 : 4;
      const tensor::Dropout dropout{rate, 2, 77, samples};
      Table table({V, H}, 1), positions({C, H}, 2);
      const Buffer dx_before({R, H}, 3), dtable_before({V, H}, 4), dpositions_before({C, H}, 5);
      const auto out = with_any_threads(what, [&](tensor::Device& device) {
        Buffer x({R, H}, 6), dx = dx_before, dtable = dtable_before, dpositions = dpositions_before;
        tensor::embedding_lookup(device, tokens, table.view(), 0, x.view());
        tensor::embedding_positions(device, positions.view(), T, offset, 0, dropout, x.view());
        tensor::dropout_backward(device, dx.view(), dropout, dx.view());
        tensor::embedding_backward_positions(device, dx.view(), T, 0, dpositions.view());
        tensor::embedding_backward_tokens(device, dx.view(), tokens, 0, dtable.view());
        return std::vector{x.values, dtable.values, dpositions.values};
      });
      const Values words = table.doubles(), places = positions.doubles(), dx = dx_before.doubles();
      Values x(dx.size()), dtable = dtable_before.doubles(), dpositions = dpositions_before.doubles();
      for (std::int64_t r = 0; r < R; ++r)
        for (std::int64_t h = 0; h < H; ++h) {
          const std::size_t word = at(ids[static_cast<std::size_t>(r)], h, H), i = at(r, h, H);
          const double factor = dropout_factor(dropout, samples[static_cast<std::size_t>(r / T)], at(r % T, h, H));
          x[i] = factor * (words[word] + places[at(offset + r % T, h, H)]);
          dtable[word] += factor * dx[i];
          dpositions[at(r % T, h, H)] += factor * dx[i];
        }
      expect_near(out[0], x, 2e-7, what + " x");
      expect_near(out[1], dtable, 1e-6, what + " token gradient");
      expect_near(out[2], dpositions, 1e-6, what + " position gradient");
    }
}

/// Parts of the vocabulary: three entries, none, one, three.
BOOST_AUTO_TEST_CASE_TEMPLATE(parts_of_the_vocabulary_know_their_tokens_only, Table, Precisions) {
  constexpr std::int64_t cuts[] = {0, 3, 3, 4, V};
  std::vector<std::int32_t> ids = some_tokens();
  const View tokens(ids.data(), {B, T});
  for (const std::int64_t H : kWidths) {
    Table table({V, H}, 1);
    Buffer dx({R, H}, 2);
    const Buffer dtable_before({V, H}, 3);
    with_any_threads("parts", [&](tensor::Device& device) {
      Buffer x({R, H}), sum({R, H}), dtable = dtable_before, cut_dtable = dtable_before;
      tensor::embedding_lookup(device, tokens, table.view(), 0, x.view());
      tensor::embedding_backward_tokens(device, dx.view(), tokens, 0, dtable.view());
      for (std::size_t part = 0; part + 1 < std::size(cuts); ++part) {
        const std::int64_t first = cuts[part], count = cuts[part + 1] - first;
        Buffer part_x({R, H}, 4);  // overwritten
        tensor::embedding_lookup(device, tokens, table.view().rows(first, count), first, part_x.view());
        tensor::embedding_backward_tokens(device, dx.view(), tokens, first, cut_dtable.view().rows(first, count));
        for (std::int64_t r = 0; r < R; ++r) {
          const bool mine =
              ids[static_cast<std::size_t>(r)] >= first && ids[static_cast<std::size_t>(r)] < first + count;
          for (std::int64_t h = 0; h < H; ++h)
            BOOST_REQUIRE(part_x.values[at(r, h, H)] == (mine ? x.values[at(r, h, H)] : 0.0f));
        }
      }
      BOOST_TEST((cut_dtable.values == dtable.values));
      return std::vector<std::vector<float>>{dtable.values};
    });
  }
}

/// Parts of the rows: within a sequence, over the edges of two, none, more than two sequences.
BOOST_AUTO_TEST_CASE_TEMPLATE(cut_rows_have_the_positions_and_masks_of_the_whole, Table, Precisions) {
  constexpr std::int64_t cuts[] = {0, 4, 4, 13, R};
  const std::vector<std::uint64_t> samples = {3, 4, 9};
  for (const std::int64_t H : kWidths) {
    Table positions({C, H}, 1);
    const Buffer x_before({R, H}, 2), dpositions_before({C, H}, 3);
    Buffer dx({R, H}, 4);
    with_any_threads("rows", [&](tensor::Device& device) {
      tensor::Dropout dropout{0.3f, 2, 77, samples};
      Buffer x = x_before, cut_x = x_before, dpositions = dpositions_before, cut_dpositions = dpositions_before;
      tensor::embedding_positions(device, positions.view(), T, 2, 0, dropout, x.view());
      tensor::embedding_backward_positions(device, dx.view(), T, 0, dpositions.view());
      dropout.rows_per_sample = T;
      for (std::size_t part = 0; part + 1 < std::size(cuts); ++part) {
        const std::int64_t first = cuts[part], count = cuts[part + 1] - first;
        dropout.first_row = first;
        tensor::embedding_positions(device, positions.view(), T, 2, first, dropout, cut_x.view().rows(first, count));
        tensor::embedding_backward_positions(device, dx.view().rows(first, count), T, first, cut_dpositions.view());
      }
      BOOST_TEST((cut_x.values == x.values));
      BOOST_TEST((cut_dpositions.values == dpositions.values));  // rows in order: the same sums
      return std::vector{x.values, dpositions.values};
    });
  }
}

BOOST_AUTO_TEST_CASE(named_rows_move_into_the_other_table) {
  const std::vector<std::int32_t> rows = {6, 0, 3};
  for (const std::int64_t H : kWidths) {
    const Buffer from_before({V, H}, 1), to_before({V, H}, 2);
    with_any_threads("add_rows", [&](tensor::Device& device) {
      Buffer from = from_before, to = to_before;
      tensor::add_rows(device, rows, from.view(), to.view());
      tensor::add_rows(device, {}, from.view(), to.view());
      for (std::int64_t r = 0; r < V; ++r)
        for (std::int64_t h = 0; h < H; ++h) {
          const bool named = std::find(rows.begin(), rows.end(), r) != rows.end();
          const float was = from_before.values[at(r, h, H)], had = to_before.values[at(r, h, H)];
          BOOST_REQUIRE(to.values[at(r, h, H)] == (named ? had + was : had));
          BOOST_REQUIRE(from.values[at(r, h, H)] == (named ? 0.0f : was));
        }
      return std::vector{from.values, to.values};
    });
  }
  tensor::Device device(1);
  Buffer from({V, 2}), to({V, 2});
  const std::vector<std::int32_t> beyond = {1, static_cast<std::int32_t>(V)};
  BOOST_CHECK_THROW(tensor::add_rows(device, beyond, from.view(), to.view()), std::logic_error);
}

BOOST_AUTO_TEST_CASE(positions_and_masks_must_name_the_same_row) {
  tensor::Device device(1);
  const std::vector<std::uint64_t> samples = {3, 4, 9};
  Buffer positions({C, 5}), x({4, 5});
  const tensor::Dropout dropout{0.3f, 2, 77, samples, T, 4};
  BOOST_CHECK_THROW(tensor::embedding_positions(device, positions.view(), T, 0, 5, dropout, x.view()),
                    std::logic_error);
  BOOST_CHECK_THROW(tensor::embedding_positions(device, positions.view(), T, C - T + 1, 4, dropout, x.view()),
                    std::logic_error);
}

}  // namespace
}  // namespace tessera::testing
