// Reads a tensor from a file of either format, told apart by its first bytes: .npy, or IDX, plain
// or compressed by gzip. Thread-safety: free functions.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "ir/types.h"

namespace taoism::files {

enum class Format : uint8_t { npy, idx, raw };

struct Tensor {
  Format format = Format::npy;
  ir::TensorDesc desc;
  AlignedBuffer data;

  ir::ConstTensorView view() const { return {desc, data.data()}; }
};

// Errors: not_found, invalid_argument, resource_exhausted (larger than 8 GiB), each naming the
// path.
Result<Tensor> read_tensor(const std::string& path);

// A file of nothing but elements, little-endian and row-major. One dimension of `desc` may be open:
// it is what the file's size makes it. Errors: as read_tensor.
Result<Tensor> read_raw(const std::string& path, ir::TensorDesc desc);
// Whether a file of this name is taken for one: .bin, .raw.
bool is_raw_name(const std::string& path);

// Bytes as float32, scaled to [0, 1].
Tensor scale_bytes(const Tensor& bytes);

// Class numbers, one a row, from any integer type. Errors: invalid_argument for another shape.
Result<std::vector<int64_t>> read_labels(const std::string& path);

}  // namespace taoism::files
