// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_writer.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <stdexcept>

#include "checkpoint/checksum.hpp"

namespace tessera::checkpoint {

FileWriter::FileWriter(const std::string& path, const RunState& state, std::vector<Dataset> datasets)
    : file_(path, state, std::move(datasets)),
      bytes_(base::PosixFile::open_write(file_.temporary())),
      sums_(file_.datasets().size()),
      written_(file_.datasets().size()) {}

std::size_t FileWriter::index_of(const std::string& dataset_path) const {
  const auto at = std::find_if(file_.datasets().begin(), file_.datasets().end(),
                               [&](const Dataset& dataset) { return dataset.path == dataset_path; });
  if (at == file_.datasets().end()) throw std::logic_error(fmt::format("no dataset {} was laid out", dataset_path));
  return static_cast<std::size_t>(at - file_.datasets().begin());
}

void FileWriter::write(const std::string& dataset_path, std::int64_t first, std::span<const float> values) {
  const std::size_t index = index_of(dataset_path);
  const auto count = static_cast<std::int64_t>(values.size());
  if (first < 0 || first + count > file_.datasets()[index].num_elements())
    throw std::logic_error(fmt::format("elements {} to {} are not in {}", first, first + count, dataset_path));
  bytes_.write_at(file_.offsets()[index] + static_cast<std::uint64_t>(first) * sizeof(float), values.data(),
                  values.size_bytes());
  sums_[index] += sum_of_elements(values.data(), count, first);
  written_[index] += count;
}

void FileWriter::publish() {
  for (std::size_t i = 0; i < written_.size(); ++i)
    if (const Dataset& dataset = file_.datasets()[i]; written_[i] != dataset.num_elements())
      throw std::logic_error(
          fmt::format("{} elements of {} were written, it has {}", written_[i], dataset.path, dataset.num_elements()));
  bytes_.sync();
  file_.set_sums(sums_);
  file_.publish();
}

}  // namespace tessera::checkpoint
