// PNG by libpng: samples as they are stored. Thread-safety: free functions.
#pragma once

#include "files/image.h"

namespace taoism::files {

// As decode_image says. `blank` makes an image of a height and a width, or refuses them.
Result<Image> decode_png(ConstByteSpan bytes, Result<Image> (*blank)(int64_t, int64_t));

}  // namespace taoism::files
