#include "partition/parameters.h"

#include <charconv>
#include <cmath>

#include "partition/nearest.h"

namespace taoism::partition {
namespace {

// Integers up to here are exact in a double, in JSON and in every language that reads our files.
constexpr double kLargestExact = 9007199254740992.0;

bool is_word(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!allowed) return false;
  }
  return true;
}

template <typename T>
bool parse_number(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

template <typename T>
std::string shortest_text(T value) {
  char buffer[64];
  const auto [end, error] = std::to_chars(std::begin(buffer), std::end(buffer), value);
  return error == std::errc() ? std::string(buffer, end) : std::string();
}

std::string range_text(const ParameterSpec& spec) {
  const std::string name = spec.name;
  if (std::isinf(spec.highest)) return name + " is at least " + number_text(spec.lowest);
  return name + " is " + number_text(spec.lowest) + ".." + number_text(spec.highest);
}

Result<double> parse_value(const std::string& strategy, const ParameterSpec& spec,
                           const std::string& text) {
  const std::string what = strategy + ": " + spec.name + "=" + shown(text);
  double value = 0;
  if (spec.kind == ParameterSpec::integer) {
    int64_t whole = 0;
    if (!parse_number(text, whole)) return invalid_argument(what + " is not a whole number");
    value = static_cast<double>(whole);
    if (std::abs(value) > kLargestExact) return invalid_argument(what + " is too large");
  } else if (!parse_number(text, value) || !std::isfinite(value)) {
    return invalid_argument(what + " is not a number");
  }
  if (value < spec.lowest || value > spec.highest) {
    return invalid_argument(what + " is out of range: " + range_text(spec));
  }
  return value;
}

}  // namespace

std::string number_text(double value) { return shortest_text(value); }
std::string number_text(float value) { return shortest_text(value); }

Result<StrategySpec> StrategySpec::parse(std::string_view text) {
  const auto fail = [&](const std::string& reason) {
    return invalid_argument("strategy '" + shown(text) + "': " + reason +
                            "; write it as name or name:parameter=value,...");
  };
  StrategySpec spec;
  const size_t colon = text.find(':');
  spec.name = text.substr(0, colon);
  if (!is_word(spec.name)) return fail("no valid name");
  if (colon == std::string_view::npos) return spec;
  std::string_view rest = text.substr(colon + 1);
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    const size_t equals = item.find('=');
    const std::string key(item.substr(0, equals));
    if (!is_word(key)) return fail("a parameter has no valid name");
    if (equals == std::string_view::npos || equals + 1 == item.size()) {
      return fail("parameter '" + key + "' has no value");
    }
    if (!spec.parameters.emplace(key, item.substr(equals + 1)).second) {
      return fail("parameter '" + key + "' is given twice");
    }
    if (comma == std::string_view::npos) return spec;
    rest = rest.substr(comma + 1);
  }
}

std::string StrategySpec::text() const {
  std::string result = name;
  char separator = ':';
  for (const auto& [key, value] : parameters) {
    result += separator;
    result += key;
    result += '=';
    result += value;
    separator = ',';
  }
  return result;
}

Result<Parameters> Parameters::resolve(const StrategySpec& spec,
                                       std::span<const ParameterSpec> specs) {
  Parameters result;
  for (const ParameterSpec& parameter : specs) {
    result.values_[parameter.name] = {parameter.kind, parameter.fallback};
  }
  for (const auto& [key, text] : spec.parameters) {
    const ParameterSpec* known = nullptr;
    std::string names;
    for (const ParameterSpec& parameter : specs) {
      if (key == parameter.name) known = &parameter;
      names += (names.empty() ? "" : ", ") + std::string(parameter.name);
    }
    if (known == nullptr) {
      return invalid_argument(spec.name + ": unknown parameter '" + key +
                              "': " + (names.empty() ? "it takes none" : "it takes " + names));
    }
    TAOISM_ASSIGN_OR_RETURN(result.values_[key].value, parse_value(spec.name, *known, text));
  }
  return result;
}

double Parameters::real(std::string_view name) const {
  const auto it = values_.find(name);
  TAOISM_CHECK(it != values_.end());
  return it->second.value;
}

int64_t Parameters::integer(std::string_view name) const {
  const auto it = values_.find(name);
  TAOISM_CHECK(it != values_.end() && it->second.kind == ParameterSpec::integer);
  return static_cast<int64_t>(it->second.value);
}

StrategySpec Parameters::spec(std::string_view strategy_name) const {
  StrategySpec spec;
  spec.name = strategy_name;
  for (const auto& [key, value] : values_) {
    spec.parameters[key] = value.kind == ParameterSpec::integer
                               ? std::to_string(static_cast<int64_t>(value.value))
                               : number_text(value.value);
  }
  return spec;
}

}  // namespace taoism::partition
