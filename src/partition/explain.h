// A partition's report as text for a terminal and as JSON. Host only. Thread-safety: pure
// functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "partition/accounting.h"

namespace taoism::partition {

// The table of nodes, the sums, what is exposed, and the warnings; ends with a newline.
std::string report_text(const Report& report);
// The sums, exposure and warnings alone.
std::string summary_text(const Report& report);
nlohmann::json report_json(const Report& report);
// The sums and warnings alone, and back: what is not in there stays empty. Errors:
// invalid_argument.
nlohmann::json summary_json(const Report& report);
Result<Report> read_summary(const nlohmann::json& json);

// A line per point of a strategy: MACs and parameters in the TEE, crossings, bytes, exposure.
std::string sweep_text(std::span<const Report> reports);
// The same without the nodes of each: {"schema": 1, "points": [...]}.
nlohmann::json sweep_json(std::span<const Report> reports);

}  // namespace taoism::partition
