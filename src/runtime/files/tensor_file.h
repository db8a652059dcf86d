// Reads a tensor from a file of either format, told apart by its first bytes: .npy, or IDX, plain
// or compressed by gzip. Thread-safety: free functions.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "ir/types.h"

namespace taoism::files {

enum class Format : uint8_t { npy, idx };

struct Tensor {
  Format format = Format::npy;
  ir::TensorDesc desc;
  AlignedBuffer data;

  ir::ConstTensorView view() const { return {desc, data.data()}; }
};

// Errors: not_found, invalid_argument, resource_exhausted (larger than 8 GiB), each naming the
// path.
Result<Tensor> read_tensor(const std::string& path);

// An N-row input for a model that wants float32: .npy data as it is (any other type is an error
// that names the mend), IDX bytes scaled to [0, 1].
Result<Tensor> read_float_input(const std::string& path);

// Class numbers, one a row, from any integer type. Errors: invalid_argument for another shape.
Result<std::vector<int64_t>> read_labels(const std::string& path);

}  // namespace taoism::files
