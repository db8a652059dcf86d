// Known-answer test of every primitive. An image runs it once before it closes its sandbox:
// whatever the provider loads lazily is loaded then. Trusted.
#pragma once

#include "base/status.h"

namespace taoism::crypto {

// Starts the provider without configuration files and tests it. Errors: internal.
Status self_test();

}  // namespace taoism::crypto
