#include "ir/types.h"

namespace taoism::ir {

size_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32:
    case DType::u32: return 4;
    case DType::f64:
    case DType::i64:
    case DType::u64: return 8;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
    case DType::u16: return 2;
    case DType::boolean:
    case DType::u8:
    case DType::i8: return 1;
  }
  return 0;
}

const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "float32";
    case DType::f64: return "float64";
    case DType::f16: return "float16";
    case DType::bf16: return "bfloat16";
    case DType::i8: return "int8";
    case DType::i16: return "int16";
    case DType::i32: return "int32";
    case DType::i64: return "int64";
    case DType::u8: return "uint8";
    case DType::u16: return "uint16";
    case DType::u32: return "uint32";
    case DType::u64: return "uint64";
    case DType::boolean: return "bool";
  }
  return "unknown";
}

Shape::Shape(std::span<const int64_t> dims) {
  TAOISM_CHECK(dims.size() <= kMaxRank);
  for (int64_t dim : dims) dims_[rank_++] = dim;
}

void Shape::push_back(int64_t dim) {
  TAOISM_CHECK(rank_ < kMaxRank);
  dims_[rank_++] = dim;
}

bool Shape::is_static() const {
  for (int64_t dim : *this) {
    if (dim < 0) return false;
  }
  return true;
}

int64_t Shape::elements() const { return product(0, rank_); }

int64_t Shape::product(size_t first, size_t last) const {
  TAOISM_CHECK(first <= last && last <= rank_);
  int64_t result = 1;
  for (size_t i = first; i < last; ++i) {
    TAOISM_CHECK(dims_[i] >= 0);
    result *= dims_[i];
  }
  return result;
}

bool Shape::is_bounded() const {
  uint64_t total = 1;
  for (int64_t dim : *this) {
    if (dim < 0) return false;
    if (dim == 0) continue;  // products of the other dimensions must fit too
    const auto next = checked_mul(total, static_cast<uint64_t>(dim));
    if (!next || *next > kMaxElements) return false;
    total = *next;
  }
  return true;
}

std::string Shape::text() const {
  if (rank_ == 0) return "scalar";
  std::string result;
  for (int64_t dim : *this) {
    if (!result.empty()) result += 'x';
    result += dim < 0 ? std::string("?") : std::to_string(dim);
  }
  return result;
}

bool Shape::operator==(const Shape& other) const {
  if (rank_ != other.rank_) return false;
  for (size_t i = 0; i < rank_; ++i) {
    if (dims_[i] != other.dims_[i]) return false;
  }
  return true;
}

std::pair<std::shared_ptr<Constant>, std::byte*> make_constant(TensorDesc desc) {
  auto buffer = std::make_shared<AlignedBuffer>(desc.bytes());
  std::byte* data = buffer->data();
  auto constant = std::make_shared<Constant>();
  constant->desc = desc;
  constant->data = data;
  constant->owner = std::move(buffer);
  return {std::move(constant), data};
}

std::shared_ptr<const Constant> make_f32_constant(Shape shape, std::span<const float> values) {
  auto [constant, data] = make_constant({DType::f32, shape});
  TAOISM_CHECK(values.size_bytes() == constant->desc.bytes());
  if (!values.empty()) std::memcpy(data, values.data(), values.size_bytes());
  return constant;
}

std::shared_ptr<const Constant> make_i64_constant(Shape shape, std::span<const int64_t> values) {
  auto [constant, data] = make_constant({DType::i64, shape});
  TAOISM_CHECK(values.size_bytes() == constant->desc.bytes());
  if (!values.empty()) std::memcpy(data, values.data(), values.size_bytes());
  return constant;
}

}  // namespace taoism::ir
