// SPDX-License-Identifier: Apache-2.0
#include "model/synchronized.hpp"

namespace tessera::model {

std::vector<data_parallel::SyncTensor> sync_tensors(const Parameters& parameters) {
  std::vector<data_parallel::SyncTensor> tensors;
  for (const Parameter& p : parameters.all())
    tensors.push_back({p.gradient, p.accumulator, p.weight, p.rotation, p.group});
  return tensors;
}

data_parallel::SyncSettings sync_settings(const config::Config& config, base::Fault fault) {
  data_parallel::SyncSettings settings;
  settings.bucket_bytes = config.parallel.bucket_bytes;
  settings.zero = static_cast<int>(config.parallel.zero);
  settings.wire = config.parallel.wire == "bf16" ? data_parallel::Wire::bf16 : data_parallel::Wire::fp32;
  settings.mpi_reduce = config.parallel.reduce == "mpi";
  settings.fault = fault;
  return settings;
}

}  // namespace tessera::model
