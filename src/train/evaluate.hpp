// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "comm/mesh.hpp"
#include "model/model_stage.hpp"
#include "train/tokens.hpp"

namespace tessera::train {

/// Loss over all of a held-out part.
struct Evaluation {
  double loss = 0;                      ///< mean over all targets, nats a token
  std::optional<double> bits_per_byte;  ///< total loss / ln 2 / bytes of text those targets decode to, if there are any
  std::int64_t num_targets = 0;
  std::uint64_t text_bytes = 0;
  double perplexity() const;
  std::string describe_bits() const;  ///< "1.2345 bits a byte"
};

/// Bytes of text that tokens (first, last) of the range decode to: every token but the first is a target.
std::uint64_t target_text_bytes(const TokenRange& range);

struct EvaluationSettings {
  std::int64_t context = 0, max_batch = 0;                     ///< tokens of a window, windows at a time
  text::TokenId document_end = -1;                             ///< as of document_end()
  pipeline::Schedule schedule{pipeline::ScheduleKind::gpipe};  ///< stages and virtual stages count
  int micro_batches_between_polls = 0;                         ///< of a data rank; 0: all, so that nobody is asked
  /// Asked between them on all ranks, whose answers must agree: true ends the evaluation without a result.
  std::function<bool()> is_abandoned = [] { return false; };
};

/// Evaluates the whole range in consecutive windows, forwards only. They are dealt to the data ranks in turns of
/// max_batch. Where polls cut it changes no bit of the result. Nothing if it was abandoned. Collective over the mesh;
/// same result on all ranks.
std::optional<Evaluation> evaluate(const comm::Mesh& mesh, pipeline::Runner& runner, model::ModelStage& stage,
                                   const TokenRange& range, const EvaluationSettings& settings,
                                   std::uint64_t text_bytes);

/// Several parts of a mixture as one: tokens of each part in the proportion of its weight, or of its number of targets
/// where no part has a weight. One part: itself.
Evaluation combine(const std::vector<Evaluation>& parts, const TokenMixture& mixture);

/// Throws base::SharedError with the exit code of divergence and `where` in front unless the loss is finite.
void require_finite(const Evaluation& evaluation, const std::string& where);

}  // namespace tessera::train
