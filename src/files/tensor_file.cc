#include "files/tensor_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "files/idx.h"
#include "files/npy.h"
#include "files/npz.h"
#include "host/memory.h"

namespace taoism::files {
namespace {

// A bound for what a compressed file may expand to, and for what is read into memory at all.
constexpr size_t kMaxFileBytes = size_t{8} << 30;

// The whole file, decompressed where it is gzip.
Result<std::vector<std::byte>> read_bytes(const std::string& path) {
  struct stat st = {};
  if (stat(path.c_str(), &st) != 0) {
    std::string text = "cannot open: " + std::string(std::strerror(errno));
    return errno == ENOENT || errno == ENOTDIR ? not_found(text) : invalid_argument(text);
  }
  if (!S_ISREG(st.st_mode)) return invalid_argument("not a regular file");
  gzFile file = gzopen(path.c_str(), "rbe");
  if (file == nullptr) return invalid_argument("cannot open: " + std::string(std::strerror(errno)));
  (void)gzbuffer(file, 1 << 18);
  std::vector<std::byte> bytes;
  const size_t first = std::clamp<size_t>(static_cast<size_t>(st.st_size) + 1, 4096, kMaxFileBytes);
  Status status = host::check_memory(first);
  if (status.ok()) bytes.resize(first);
  size_t used = 0;
  while (status.ok()) {
    size_t room = std::min<size_t>(bytes.size() - used, size_t{1} << 30);
    int n = gzread(file, bytes.data() + used, static_cast<unsigned>(room));
    if (n < 0) {
      status = invalid_argument("damaged gzip data");
      break;
    }
    used += static_cast<size_t>(n);
    if (n == 0) {
      // A gzip stream cut short reads as a clean end of file unless asked.
      int error = Z_OK;
      (void)gzerror(file, &error);
      if (error != Z_OK) status = invalid_argument("truncated gzip data");
      break;
    }
    if (used < bytes.size()) continue;
    if (bytes.size() == kMaxFileBytes) {
      status = resource_exhausted("larger than 8 GiB; split the file");
      break;
    }
    const size_t next = std::min(bytes.size() * 2, kMaxFileBytes);
    status = host::check_memory(next);
    if (status.ok()) bytes.resize(next);
  }
  (void)gzclose(file);
  if (!status.ok()) return status;
  bytes.resize(used);
  return bytes;
}

Result<Tensor> made_of(Format format, const ir::TensorDesc& desc, const std::byte* data) {
  TAOISM_ASSIGN_OR_RETURN(Tensor tensor, empty_tensor(format, desc));
  if (desc.bytes() > 0) std::memcpy(tensor.data.data(), data, desc.bytes());
  return tensor;
}

Result<Tensor> npy_tensor(ConstByteSpan bytes) {
  TAOISM_ASSIGN_OR_RETURN(const NpyLayout layout, parse_npy(bytes));
  return made_of(Format::npy, layout.desc, bytes.data() + layout.data_offset);
}

Result<std::vector<NamedTensor>> npz_tensors(ConstByteSpan bytes) {
  TAOISM_ASSIGN_OR_RETURN(const std::vector<NpzEntry> entries, parse_npz(bytes));
  std::vector<NamedTensor> tensors;
  uint64_t left = kMaxFileBytes;
  for (const NpzEntry& entry : entries) {
    TAOISM_ASSIGN_OR_RETURN(const std::vector<std::byte> plain, unpack_npz(bytes, entry, left));
    left -= plain.size();
    Result<Tensor> tensor = npy_tensor(plain);
    if (!tensor.ok()) return tensor.status().annotate("'" + entry.name + "'");
    tensors.push_back({entry.name, std::move(*tensor)});
  }
  return tensors;
}

Result<Tensor> read_unnamed(const std::string& path) {
  TAOISM_ASSIGN_OR_RETURN(std::vector<std::byte> bytes, read_bytes(path));
  if (is_image(bytes)) {
    TAOISM_ASSIGN_OR_RETURN(Image image, decode_image(bytes));
    return Tensor{
        Format::image, {ir::DType::u8, {image.height, image.width, 3}}, std::move(image.pixels)};
  }
  if (is_npz(bytes)) {
    TAOISM_ASSIGN_OR_RETURN(std::vector<NamedTensor> tensors, npz_tensors(bytes));
    if (tensors.size() == 1) return std::move(tensors.front().tensor);
    return invalid_argument("has " + std::to_string(tensors.size()) + " arrays; give one");
  }
  if (!bytes.empty() && bytes.front() == std::byte{0}) {
    TAOISM_ASSIGN_OR_RETURN(const IdxLayout layout, parse_idx(bytes));
    TAOISM_ASSIGN_OR_RETURN(Tensor tensor, empty_tensor(Format::idx, layout.desc));
    copy_idx(layout, bytes, tensor.data.data());
    return tensor;
  }
  return npy_tensor(bytes);
}

template <typename T>
void append_labels(const Tensor& tensor, std::vector<int64_t>& labels) {
  const T* data = tensor.data.as<T>();
  labels.assign(data, data + tensor.desc.shape.elements());
}

}  // namespace

Result<Tensor> empty_tensor(Format format, const ir::TensorDesc& desc) {
  TAOISM_ASSIGN_OR_RETURN(AlignedBuffer memory, host::take_memory(desc.bytes()));
  return Tensor{format, desc, std::move(memory)};
}

Result<Tensor> read_tensor(const std::string& path) {
  Result<Tensor> tensor = read_unnamed(path);
  if (!tensor.ok()) return tensor.status().annotate(path);
  return tensor;
}

Result<std::vector<NamedTensor>> read_npz(const std::string& path) {
  Result<std::vector<std::byte>> bytes = read_bytes(path);
  if (!bytes.ok()) return bytes.status().annotate(path);
  Result<std::vector<NamedTensor>> tensors = npz_tensors(*bytes);
  if (!tensors.ok()) return tensors.status().annotate(path);
  return tensors;
}

bool is_npz_file(const std::string& path) {
  std::array<char, 4> first{};
  std::ifstream file(path, std::ios::binary);
  if (!file.read(first.data(), first.size())) return false;
  return is_npz(std::as_bytes(std::span(first)));
}

Result<Tensor> read_raw(const std::string& path, ir::TensorDesc desc) {
  Result<std::vector<std::byte>> bytes = read_bytes(path);
  if (!bytes.ok()) return bytes.status().annotate(path);
  const auto bad = [&] {
    return invalid_argument(path + ": " + std::to_string(bytes->size()) + " bytes are not " +
                            ir::dtype_name(desc.dtype) + " " + desc.shape.text() +
                            "; give the shape, --input-shape, and the type, --input-type");
  };
  uint64_t known = ir::dtype_bytes(desc.dtype);
  int64_t* open = nullptr;
  for (size_t i = 0; i < desc.shape.rank(); ++i) {
    int64_t& dim = desc.shape[i];
    if (dim < 0 && open != nullptr) return bad();
    if (dim < 0) {
      open = &dim;
      continue;
    }
    const auto product = checked_mul(known, static_cast<uint64_t>(dim));
    if (!product || *product > kMaxFileBytes) return bad();
    known = *product;
  }
  if (open != nullptr) {
    if (known == 0 || bytes->size() % known != 0) return bad();
    *open = static_cast<int64_t>(bytes->size() / known);
  } else if (known != bytes->size()) {
    return bad();
  }
  Result<Tensor> tensor = made_of(Format::raw, desc, bytes->data());
  if (!tensor.ok()) return tensor.status().annotate(path);
  return tensor;
}

bool is_raw_name(const std::string& path) {
  return path.ends_with(".bin") || path.ends_with(".raw");
}

Result<Tensor> scale_bytes(const Tensor& bytes, const PixelRule& rule) {
  TAOISM_CHECK(bytes.desc.dtype == ir::DType::u8);
  const ir::TensorDesc desc{ir::DType::f32, bytes.desc.shape};
  TAOISM_ASSIGN_OR_RETURN(Tensor scaled, empty_tensor(bytes.format, desc));
  const auto count = static_cast<size_t>(desc.shape.elements());
  TAOISM_RETURN_IF_ERROR(
      scale_bytes(bytes.data.as<uint8_t>(), count, rule, scaled.data.as<float>()));
  return scaled;
}

Result<std::vector<int64_t>> read_labels(const std::string& path) {
  TAOISM_ASSIGN_OR_RETURN(Tensor tensor, read_tensor(path));
  const ir::Shape& shape = tensor.desc.shape;
  if (!(shape.rank() == 1 || (shape.rank() == 2 && shape[1] == 1))) {
    return invalid_argument(path + ": labels of shape " + shape.text() +
                            "; one class number a row is wanted");
  }
  std::vector<int64_t> labels;
  switch (tensor.desc.dtype) {
    case ir::DType::u8: append_labels<uint8_t>(tensor, labels); break;
    case ir::DType::i8: append_labels<int8_t>(tensor, labels); break;
    case ir::DType::i32: append_labels<int32_t>(tensor, labels); break;
    case ir::DType::i64: append_labels<int64_t>(tensor, labels); break;
    default:
      return invalid_argument(path + ": labels of type " + ir::dtype_name(tensor.desc.dtype) +
                              "; save y.astype('int64')");
  }
  return labels;
}

}  // namespace taoism::files
