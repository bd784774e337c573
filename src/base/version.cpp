// SPDX-License-Identifier: Apache-2.0
#include "base/version.hpp"

namespace tessera::base {

const char* version() {
  return TESSERA_VERSION;
}
const char* build_description() {
  return TESSERA_BUILD;
}

}  // namespace tessera::base
