// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "comm/mpi_check.hpp"

namespace tessera::comm {

double Communicator::sum(double value, const char* what) const {
  std::vector<double> all(static_cast<std::size_t>(size_));
  all_gather<double>({&value, 1}, all, what);
  double total = 0;
  for (const double one : all) total += one;  // rank order: the same bits everywhere
  return total;
}

double Communicator::max(double value, const char* what) const {
  std::vector<double> all(static_cast<std::size_t>(size_));
  all_gather<double>({&value, 1}, all, what);
  return *std::max_element(all.begin(), all.end());
}

}  // namespace tessera::comm
