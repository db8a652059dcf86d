// Verb: one command of the program. Thread-safety: constants.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>

#include "base/status.h"

namespace taoism::cli {

// Does the work after the flags were parsed; the value is the exit code of a success.
using Action = std::function<Result<int>()>;

struct Verb {
  const char* name;
  const char* summary;  // one line for --help
  // Declares flags on `app`, which outlives the action, as does what the action captures.
  Action (*declare)(CLI::App& app);
};

// All verbs, sorted by name.
std::span<const Verb* const> all_verbs();

// The words of this run, the program's name first.
const std::vector<std::string>& command_line();

}  // namespace taoism::cli
