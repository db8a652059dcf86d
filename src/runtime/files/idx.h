// IDX, the format of MNIST and Fashion-MNIST: a big-endian header and unsigned bytes. The bytes are
// hostile.
#pragma once

#include "base/bytes.h"
#include "ir/types.h"

namespace taoism::files {

struct IdxLayout {
  ir::TensorDesc desc;  // always u8
  size_t data_offset = 0;
};

// Reads the header of a whole (decompressed) file's bytes. Errors: invalid_argument.
Result<IdxLayout> parse_idx(ConstByteSpan bytes);

}  // namespace taoism::files
