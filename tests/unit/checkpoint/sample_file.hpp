// SPDX-License-Identifier: Apache-2.0
// A small checkpoint in a folder of its own, for tests that damage it.
#pragma once

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

#include "checkpoint/file_reader.hpp"
#include "checkpoint/file_writer.hpp"

namespace tessera::checkpoint {

/// Values of a tensor: others for each `salt` and element.
inline std::vector<float> sample_values(std::int64_t count, double salt) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(std::sin(salt + 0.37 * static_cast<double>(i + 1)));
  return values;
}

inline RunState sample_state(std::int64_t step) {
  RunState state{step,
                 step,
                 0,
                 100 * step,
                 "[run]\nsteps = 9\n[model]\nlayers = 2\n",
                 "tessera",
                 "data 2",
                 "{\"kind\": \"bytes\"}",
                 "0123456789abcdef"};
  return state;
}

/// More weights than HDF5 keeps in the head of a group, so that all kinds of its metadata are there.
inline std::vector<Dataset> sample_datasets() {
  std::vector<Dataset> datasets = {
      {"/model/embedding", {12, 8}}, {"/optimizer/m/embedding", {12, 8}}, {"/optimizer/v/embedding", {12, 8}}};
  for (int layer = 0; layer < 6; ++layer) {
    const std::string name = "/model/blocks." + std::to_string(layer);
    datasets.push_back({name + ".weight", {8, 6}});
    datasets.push_back({name + ".bias", {6}});
  }
  return datasets;
}

struct SampleFile {
  std::string folder = std::filesystem::temp_directory_path() / ("tessera-sample-" + std::to_string(::getpid()));
  std::string path = write(8);

  ~SampleFile() { std::filesystem::remove_all(folder); }

  /// Writes step-*.h5 with values that depend on step and tensor; returns its path.
  std::string write(std::int64_t step, const std::vector<Dataset>& datasets = sample_datasets()) const {
    const std::string file = file_name(folder, step);
    FileWriter writer(file, sample_state(step), datasets);
    double salt = static_cast<double>(step);
    for (const Dataset& dataset : datasets)
      writer.write(dataset.path, 0, sample_values(dataset.num_elements(), salt += 1.0));
    writer.publish();
    return file;
  }
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace tessera::checkpoint
