// NumPy's .npy format, versions 1 to 3: little-endian, C order. The bytes are hostile.
#pragma once

#include <string>

#include "base/bytes.h"
#include "ir/types.h"

namespace taoism::files {

struct NpyLayout {
  ir::TensorDesc desc;
  size_t data_offset = 0;  // desc.bytes() bytes from here to the end, exactly
};

// Reads the header of a whole file's bytes. Errors: invalid_argument naming what is wrong and how
// to write the array instead.
Result<NpyLayout> parse_npy(ConstByteSpan bytes);

// The header that goes before the row-major data of a tensor of this type.
std::string npy_header(const ir::TensorDesc& desc);

}  // namespace taoism::files
