// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "scaling/summary.hpp"

namespace tessera::scaling {

/// Tables for people: a mode each, with what was compared, what was tried and what failed.
std::string report_text(const Summary& summary);
/// One object: report.json, which scripts/plot_scaling.py reads, too.
std::string report_json(const Summary& summary);
/// A line for each point and mode, with a head; fractions, bytes and tokens/s.
std::string report_csv(const Summary& summary);

}  // namespace tessera::scaling
