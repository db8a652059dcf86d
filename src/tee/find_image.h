// Where the TEE's image lies. Host only. Thread-safety: free function.
#pragma once

#include <string>

#include "base/status.h"

namespace taoism::tee {

// `wanted` when it is given, else `name` beside the running program, beside the library with this
// code, or in the directories to which an installation puts it. Errors: unavailable, with the mend.
Result<std::string> find_image(const std::string& wanted, const std::string& name);

}  // namespace taoism::tee
