#include "report/units.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace taoism::report {
namespace {

std::string scaled(double value, double step, const std::array<const char*, 5>& units) {
  size_t unit = 0;
  while (value >= step && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  std::string number = unit == 0 ? fmt::format("{:.0f}", value) : significant(value);
  return units[unit][0] == '\0' ? number : number + " " + units[unit];
}

}  // namespace

std::string significant(double value) {
  if (value == 0 || !std::isfinite(value)) return fmt::format("{:.0f}", value);
  int digits = static_cast<int>(std::floor(std::log10(std::abs(value))));
  int decimals = std::max(0, 2 - digits);
  return fmt::format("{:.{}f}", value, decimals);
}

std::string percent(double share) {
  double value = 100 * share;
  if (value <= 0) return "0 %";
  if (value >= 100) return "100 %";
  if (value < 0.01) return "<0.01 %";
  if (value > 99.9) return ">99.9 %";
  return significant(value) + " %";
}

std::string bytes_text(uint64_t bytes) {
  return scaled(static_cast<double>(bytes), 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}

std::string count_text(uint64_t count) {
  return scaled(static_cast<double>(count), 1000, {"", "k", "M", "G", "T"});
}

}  // namespace taoism::report
