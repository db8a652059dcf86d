// What every verb's flags are held to before the verb does anything. Thread-safety: functions.
#pragma once

#include <CLI/CLI.hpp>

#include "base/status.h"

namespace taoism::cli {

// Of the flags that were given to `app` and to its subcommand: numbers are finite; what is read is
// no named pipe, which would be waited for without end (/dev/stdin and /dev/fd/N, of the shell's
// making, may be); no file that is written is one that is read, or the key beside a package that
// is, or external data of a model that is, or written twice, whatever links or paths lead to it;
// what takes the place of a package or a key file is a package (seal's own check has it take that
// of a package alone), what takes that of a file called *.onnx a model. Which options name files
// their types say (flags.h). Errors: invalid_argument naming the flags.
Status check_flags(const CLI::App& app);

}  // namespace taoism::cli
