// What both images do with the configuration that a host starts them with. Thread-safety: free
// functions, before anything else runs.
#pragma once

#include "wire/ring.h"

namespace taoism::image {

// Checks a private copy of it and chooses the kernels that it names. False: it asks for what this
// image, or this processor, has not.
bool accept_config(wire::Config& config);

}  // namespace taoism::image
