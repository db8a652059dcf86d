// StrategySpec ("deep:k=2") and Parameters: what a strategy was asked for, and its values checked
// against the strategy's own list. Host only. Thread-safety: values.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace taoism::partition {

// A name and its parameters as they were written: "deep", "deep:k=2",
// "intermediate:theta=0.9,seed=7".
struct StrategySpec {
  std::string name;
  std::map<std::string, std::string> parameters;

  // Checks the syntax alone. Errors: invalid_argument.
  static Result<StrategySpec> parse(std::string_view text);
  // The inverse of parse, parameters in alphabetical order.
  std::string text() const;
};

// One parameter of a strategy: its default, its range (both ends belong to it) and one line of
// help.
struct ParameterSpec {
  enum Kind : uint8_t { integer, real };
  const char* name;
  Kind kind;
  double fallback;
  double lowest;
  double highest;
  const char* doc;
  // Drawn anew for every plan (crypto::SecretRandom): no part of a plan's hash, nor of what makes
  // two plans the same.
  bool is_secret = false;
};

// Values for exactly the parameters that a strategy lists.
class Parameters {
 public:
  // Fills in defaults. Errors: invalid_argument for a parameter that is not in `specs` (names those
  // that are), a value that is no number, or one out of range.
  static Result<Parameters> resolve(const StrategySpec& spec, std::span<const ParameterSpec> specs);

  // Those of the specs alone: asking for another name is a programmer's error.
  double real(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  // All values, defaults too: the canonical spelling of a strategy.
  StrategySpec spec(std::string_view strategy_name) const;

 private:
  struct Value {
    ParameterSpec::Kind kind;
    double value;
  };
  std::map<std::string, Value, std::less<>> values_;
};

// The shortest decimal text that reads back as the same number.
std::string number_text(double value);
std::string number_text(float value);

}  // namespace taoism::partition
