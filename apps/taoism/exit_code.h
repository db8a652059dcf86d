// The one table from error codes to exit codes.
#pragma once

#include "base/status.h"

namespace taoism::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitOther = 1;        // a defect of ours; `bench compare`: slower
inline constexpr int kExitUsage = 2;        // usage or bad input, a budget or disk too small
inline constexpr int kExitUnsupported = 3;  // a model or feature that is not supported
inline constexpr int kExitIntegrity = 4;    // integrity or policy violation
inline constexpr int kExitTeeDied = 5;      // the TEE or a device died or cannot be had

int exit_code(Code code);

// "taoism: error: message", on one line whatever the message holds; returns the exit code.
int print_error(const Status& status);
void print_warning(const std::string& text);

}  // namespace taoism::cli
