// What verbs print. Failures are kept until the end, where the program says so, or nothing when
// whoever read it has gone (`taoism plan m.onnx | head`). Thread-safety: as stdio.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace taoism::cli {

// All that goes to standard output goes through it: what a file's names bring along and a terminal
// would obey is a ?.
void print(std::string_view text);

// The same for a path or a message, whose line feeds are not ours: on one line.
std::string one_line(std::string_view text);

// Brings out what was printed. Errors: resource_exhausted, unless it is a pipe that nobody reads.
Status finish_output();

}  // namespace taoism::cli
