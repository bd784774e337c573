// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "scaling/study.hpp"

namespace tessera::scaling {

/// A study of a tiny model on 1, 2 and 4 ranks of a machine of two cores.
inline Question small_question(std::vector<Mode> modes = {Mode::strong, Mode::weak}) {
  Question question;
  question.config.model.layers = 2;
  question.config.model.hidden = 32;
  question.config.model.heads = 2;
  question.config.model.context = 16;
  question.config.model.vocab = 257;
  question.config.optim.batch = 8;
  question.modes = std::move(modes);
  question.ranks = {1, 2, 4};
  question.ranks_per_node = 4;
  question.cores = 2;
  question.num_repeats = 2;
  return question;
}

inline std::vector<std::string> labels(const std::vector<Layout>& layouts, int ranks = 1) {
  std::vector<std::string> texts;
  for (const Layout& layout : layouts) texts.push_back(label(layout, ranks));
  return texts;
}

}  // namespace tessera::scaling
