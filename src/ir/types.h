// Element types, shapes and tensor views: the vocabulary that every layer above shares. Trusted.
// Thread-safety: values.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::ir {

// ONNX's numbers. What is computed with when a model runs is float32, int64 and bool; the others,
// all but float64 and uint64, are made and read by Cast, which is how a result gets the values of
// its type. In constants every one is what it is.
enum class DType : uint8_t {
  f32 = 1,
  f64 = 2,
  i32 = 3,
  i64 = 4,
  boolean = 5,
  u8 = 6,
  i8 = 7,
  i16 = 8,
  u16 = 9,
  u32 = 10,
  u64 = 11,
  f16 = 12,
  bf16 = 13,
};
// All of them.
inline constexpr DType kDTypes[] = {DType::f32, DType::f64,  DType::i32,    DType::i64, DType::u8,
                                    DType::i8,  DType::i16,  DType::u16,    DType::u32, DType::u64,
                                    DType::f16, DType::bf16, DType::boolean};

size_t dtype_bytes(DType dtype);
const char* dtype_name(DType dtype);  // "float32", "int64", ...

inline constexpr size_t kMaxRank = 8;
// No tensor may have more elements than this: a bound for sizes that come from outside.
inline constexpr uint64_t kMaxElements = uint64_t{1} << 40;

// Dimensions, outermost first. A dimension is >= 0, or kDynamic before a batch size is bound.
class Shape {
 public:
  static constexpr int64_t kDynamic = -1;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims)
      : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);  // rank must be <= kMaxRank

  size_t rank() const { return rank_; }
  int64_t operator[](size_t i) const { return dims_[i]; }
  int64_t& operator[](size_t i) { return dims_[i]; }
  std::span<const int64_t> dims() const { return {dims_.data(), rank_}; }
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  void push_back(int64_t dim);

  bool is_static() const;
  // Product of the dimensions; 1 for rank 0. The shape must be static.
  int64_t elements() const;
  // Product of dimensions [first, last).
  int64_t product(size_t first, size_t last) const;
  // Static, and no product of dimensions overflows or is above kMaxElements.
  bool is_bounded() const;
  std::string text() const;  // "1x3x224x224", "scalar", "?x10"

  bool operator==(const Shape& other) const;

 private:
  std::array<int64_t, kMaxRank> dims_ = {};
  size_t rank_ = 0;
};

struct TensorDesc {
  DType dtype = DType::f32;
  Shape shape;

  size_t bytes() const { return static_cast<size_t>(shape.elements()) * dtype_bytes(dtype); }
  bool operator==(const TensorDesc&) const = default;
};

// Memory somebody else owns, read as a tensor. Contiguous, row-major (NCHW for images).
struct ConstTensorView {
  TensorDesc desc;
  const std::byte* data = nullptr;

  const float* f32() const { return reinterpret_cast<const float*>(data); }
  const int64_t* i64() const { return reinterpret_cast<const int64_t*>(data); }
};

struct TensorView {
  TensorDesc desc;
  std::byte* data = nullptr;

  float* f32() const { return reinterpret_cast<float*>(data); }
  operator ConstTensorView() const { return {desc, data}; }  // NOLINT: a view may be read
};

// An immutable tensor whose bytes are shared between graphs: a weight, or a folded constant. The
// bytes may lie in a buffer of our own or in a mapped file: `owner` keeps them alive.
struct Constant {
  TensorDesc desc;
  const std::byte* data = nullptr;
  std::shared_ptr<const void> owner;

  ConstTensorView view() const { return {desc, data}; }
  const float* f32() const { return reinterpret_cast<const float*>(data); }
  const int64_t* i64() const { return reinterpret_cast<const int64_t*>(data); }
};

// A constant with memory of its own; fill through the returned pointer before sharing it.
std::pair<std::shared_ptr<Constant>, std::byte*> make_constant(TensorDesc desc);
std::shared_ptr<const Constant> make_f32_constant(Shape shape, std::span<const float> values);
std::shared_ptr<const Constant> make_i64_constant(Shape shape, std::span<const int64_t> values);

}  // namespace taoism::ir
