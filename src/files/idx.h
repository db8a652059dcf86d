// IDX, the format of MNIST and Fashion-MNIST: a header and elements, big-endian, mostly unsigned
// bytes. The bytes are hostile.
#pragma once

#include "base/bytes.h"
#include "ir/types.h"

namespace taoism::files {

struct IdxLayout {
  ir::TensorDesc desc;
  size_t data_offset = 0;
};

// Reads the header of a whole (decompressed) file's bytes. Errors: invalid_argument.
Result<IdxLayout> parse_idx(ConstByteSpan bytes);

// The elements of such a file, in this machine's order: layout.desc.bytes() bytes.
void copy_idx(const IdxLayout& layout, ConstByteSpan bytes, std::byte* to);

}  // namespace taoism::files
