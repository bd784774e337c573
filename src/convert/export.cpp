// SPDX-License-Identifier: Apache-2.0
#include "convert/export.hpp"

#include <algorithm>
#include <fmt/ranges.h>
#include <map>

#include "base/error.hpp"
#include "checkpoint/checksum.hpp"
#include "checkpoint/file_reader.hpp"
#include "checkpoint/files.hpp"
#include "config/parse.hpp"
#include "convert/gpt2_config.hpp"
#include "convert/transfer.hpp"
#include "model/parameter_specs.hpp"
#include "safetensors/writer.hpp"
#include "text/tokenizer.hpp"

namespace tessera::convert {
namespace {

using checkpoint::FileReader;

/// Each parameter of the model must be there.
void require_parameters(const FileReader& reader, const config::ModelConfig& config) {
  std::string problems;
  for (const model::ParameterSpec& spec : model::parameter_specs(config)) {
    std::vector<std::uint64_t> shape;
    for (int dim = 0; dim < spec.shape.num_dims(); ++dim) shape.push_back(static_cast<std::uint64_t>(spec.shape[dim]));
    const std::string path = checkpoint::model_prefix + spec.name;
    const FileReader::Tensor* tensor = reader.find(path);
    if (tensor == nullptr)
      problems += fmt::format("\n  {} is missing", path);
    else if (tensor->shape != shape)
      problems += fmt::format("\n  {} has the shape [{}] instead of [{}]", path, fmt::join(tensor->shape, ", "),
                              fmt::join(shape, ", "));
  }
  if (!problems.empty())
    checkpoint::fail_damaged("checkpoint '{}' does not hold the model of its configuration:{}", reader.path(),
                             problems);
}

/// Reads parameters and adds up their checksums on the way: each element must be read exactly once.
class VerifyingReader {
 public:
  explicit VerifyingReader(const FileReader& reader) : reader_(reader) {}

  void read(const std::string& parameter, std::uint64_t first, std::span<float> values) {
    const auto start = static_cast<std::int64_t>(first);
    reader_.read(*reader_.find(checkpoint::model_prefix + parameter), start, values);
    sums_[parameter] += checkpoint::sum_of_elements(values.data(), static_cast<std::int64_t>(values.size()), start);
  }

  void require_sound(const std::string& parameter) const {
    const FileReader::Tensor& tensor = *reader_.find(checkpoint::model_prefix + parameter);
    if (checkpoint::hex(sums_.at(parameter)) != tensor.sum)
      checkpoint::fail_damaged("checkpoint '{}' is damaged: {} has a wrong checksum; use an older one", reader_.path(),
                               tensor.path);
  }

 private:
  const FileReader& reader_;
  std::map<std::string, std::uint64_t> sums_;
};

/// Our own tokenizer file where the tokenizer has no other form.
std::vector<text::NamedFile> tokenizer_files(const text::Tokenizer& tokenizer, std::int64_t context,
                                             ExportReport& report) {
  report.tokenizer_kind = tokenizer.kind();
  std::vector<text::NamedFile> files = tokenizer.hugging_face_files(context);
  report.own_tokenizer_file = files.empty();
  if (files.empty()) files.push_back({text::own_file_name, tokenizer.serialize() + "\n"});
  return files;
}

}  // namespace

ExportReport export_gpt2(const ExportOptions& options) {
  const FileReader reader(options.checkpoint);
  const config::ModelConfig config = config::parse_text(reader.state().config, reader.path() + ":/run/config").model;
  const std::vector<Gpt2Tensor> layout = gpt2_layout(config);
  require_parameters(reader, config);
  const auto tokenizer = text::deserialize_tokenizer(reader.state().tokenizer, reader.path() + ":/run/tokenizer");

  ExportReport report;
  report.step = reader.state().step;
  report.digest = reader.digest();
  report.num_tensors = layout.size();
  std::vector<text::NamedFile> others = tokenizer_files(*tokenizer, config.context, report);
  others.push_back({config_file_name, gpt2_config(config, tokenizer->end_token()).dump(2) + "\n"});
  std::vector<safetensors::TensorSpec> specs;
  for (const Gpt2Tensor& tensor : layout) {
    specs.push_back({full_name(tensor.name), tensor.shape});
    const std::uint64_t bytes = tensor.num_elements() * sizeof(float);
    report.tensor_bytes += bytes;
    report.buffers.largest_tensor_bytes = std::max(report.buffers.largest_tensor_bytes, bytes);
  }

  // The tensors last: without them nobody takes the folder for a model.
  safetensors::OutputFolder folder(options.folder);
  for (const text::NamedFile& file : others)
    folder.create(file.name).write_at(0, file.content.data(), file.content.size());
  safetensors::Writer writer(folder, specs, options.max_shard_bytes);
  Workspace workspace;
  VerifyingReader parameters(reader);
  for (const Gpt2Tensor& tensor : layout) {
    to_gpt2(
        tensor,
        [&](const std::string& parameter, std::uint64_t first, std::span<float> values) {
          parameters.read(parameter, first, values);
        },
        [&](const std::string& name, std::uint64_t, std::span<const float> values) {
          writer.append(full_name(name), values);
        },
        workspace);
    for (const std::string& parameter : tensor.parameters) parameters.require_sound(parameter);
  }
  writer.finish();
  report.files = folder.publish();
  report.buffers.peak_bytes = workspace.peak_bytes();
  return report;
}

}  // namespace tessera::convert
