// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/average.hpp"

#include <algorithm>
#include <fmt/ranges.h>
#include <numeric>
#include <span>

#include "checkpoint/checksum.hpp"
#include "checkpoint/file_writer.hpp"
#include "checkpoint/files.hpp"

namespace tessera::checkpoint {
namespace {

std::vector<Dataset> weights_of(const FileReader& file) {
  std::vector<Dataset> weights;
  for (const FileReader::Tensor& tensor : file.tensors())
    if (tensor.path.starts_with(model_prefix)) weights.push_back(tensor);
  return weights;
}

/// The same tensor in each file.
struct Source {
  const FileReader* file = nullptr;
  const FileReader::Tensor* tensor = nullptr;
  double share = 0;
  std::uint64_t sum = 0;  // of what was read
};

void average(const Dataset& weight, std::vector<Source>& sources, FileWriter& writer) {
  const double total = std::accumulate(sources.begin(), sources.end(), 0.0,
                                       [](double sum, const Source& source) { return sum + source.share; });
  std::vector<double> sums(FileReader::piece_elements);
  std::vector<float> values(FileReader::piece_elements);
  for (std::int64_t first = 0; first < weight.num_elements(); first += FileReader::piece_elements) {
    const std::int64_t count = std::min(FileReader::piece_elements, weight.num_elements() - first);
    const std::span<float> piece = std::span(values).first(static_cast<std::size_t>(count));
    std::fill_n(sums.begin(), piece.size(), 0.0);
    for (Source& source : sources) {
      source.file->read(*source.tensor, first, piece);
      source.sum += sum_of_elements(piece.data(), count, first);
      for (std::size_t i = 0; i < piece.size(); ++i) sums[i] += source.share * piece[i];
    }
    for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<float>(sums[i] / total);
    writer.write(weight.path, first, piece);
  }
  for (const Source& source : sources)
    if (hex(source.sum) != source.tensor->sum) fail_wrong_checksum(source.file->path(), weight.path);
}

}  // namespace

std::vector<std::string> model_differences(const FileReader& first, const FileReader& other) {
  std::vector<std::string> lines;
  for (const Dataset& weight : weights_of(first)) {
    const FileReader::Tensor* tensor = other.find(weight.path);
    if (!tensor)
      lines.push_back(fmt::format("{} is missing", weight.path));
    else if (tensor->shape != weight.shape)
      lines.push_back(fmt::format("{} has shape [{}], not [{}]", weight.path, fmt::join(tensor->shape, ", "),
                                  fmt::join(weight.shape, ", ")));
  }
  for (const Dataset& weight : weights_of(other))
    if (!first.find(weight.path)) lines.push_back(fmt::format("{} is not in the first", weight.path));
  const std::string& fingerprint = first.state().tokenizer_fingerprint;
  if (other.state().tokenizer_fingerprint != fingerprint)
    lines.push_back(
        fmt::format("the tokenizer has fingerprint {}, not {}", other.state().tokenizer_fingerprint, fingerprint));
  return lines;
}

void write_average(const std::string& path, const RunState& state, const std::vector<FileReader>& files,
                   const std::vector<double>& shares) {
  const std::vector<Dataset> weights = weights_of(files.front());
  FileWriter writer(path, state, weights);
  for (const Dataset& weight : weights) {
    std::vector<Source> sources;
    for (std::size_t i = 0; i < files.size(); ++i)
      sources.push_back({&files[i], files[i].find(weight.path), shares[i], 0});
    average(weight, sources, writer);
  }
  writer.publish();
}

}  // namespace tessera::checkpoint
