// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tessera::comm {

/// Place of a rank along each axis of the mesh.
struct Coordinates {
  int data = 0, pipeline = 0, tensor = 0;
  bool operator==(const Coordinates&) const = default;
};

/// Ranks along each axis of the mesh. Tensor varies fastest, so that tensor ranks are neighbours, then data, then
/// pipeline.
struct MeshShape {
  int data = 1, pipeline = 1, tensor = 1;

  int size() const { return data * pipeline * tensor; }
  Coordinates at(int place) const { return {place / tensor % data, place / (tensor * data), place % tensor}; }
  int place(const Coordinates& at) const { return (at.pipeline * data + at.data) * tensor + at.tensor; }
  /// "data 2, pipeline 4, tensor 2"
  std::string str() const {
    return "data " + std::to_string(data) + ", pipeline " + std::to_string(pipeline) + ", tensor " +
           std::to_string(tensor);
  }
  bool operator==(const MeshShape&) const = default;
};

}  // namespace tessera::comm
