// Reads tensors from files, whose format their first bytes tell: .npy, .npz, IDX or a picture,
// plain or compressed by gzip. Thread-safety: free functions.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "files/image.h"
#include "ir/types.h"

namespace taoism::files {

enum class Format : uint8_t { npy, idx, raw, image };

struct Tensor {
  Format format = Format::npy;
  ir::TensorDesc desc;
  AlignedBuffer data;

  ir::ConstTensorView view() const { return {desc, data.data()}; }
};

// Zeroes. Errors: resource_exhausted.
Result<Tensor> empty_tensor(Format format, const ir::TensorDesc& desc);

// A picture is uint8, height x width x 3 (image.h). Errors: not_found, invalid_argument (also an
// .npz of several arrays), resource_exhausted (larger than 8 GiB), each naming the path.
Result<Tensor> read_tensor(const std::string& path);

// An array of an .npz file.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};
// Errors: as read_tensor.
Result<std::vector<NamedTensor>> read_npz(const std::string& path);
// Whether it begins as an .npz file does; false for what cannot be read.
bool is_npz_file(const std::string& path);

// A file of nothing but elements, little-endian and row-major. One dimension of `desc` may be open:
// it is what the file's size makes it. Errors: as read_tensor.
Result<Tensor> read_raw(const std::string& path, ir::TensorDesc desc);
// Whether a file of this name is taken for one: .bin, .raw.
bool is_raw_name(const std::string& path);

// Bytes, as of IDX, as float32 by a rule: by default scaled to [0, 1]. Errors: invalid_argument for
// a rule of several channels.
Result<Tensor> scale_bytes(const Tensor& bytes, const PixelRule& rule = {});

// Class numbers, one a row, from any integer type. Errors: invalid_argument for another shape.
Result<std::vector<int64_t>> read_labels(const std::string& path);

}  // namespace taoism::files
