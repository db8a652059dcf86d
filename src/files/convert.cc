#include "files/convert.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "ir/half.h"

namespace taoism::files {
namespace {

using ir::DType;

// Calls `function` with a value of the type that elements of `dtype` have in memory. Whether there
// is one.
template <typename Function>
bool with_type(DType dtype, Function&& function) {
  switch (dtype) {
    case DType::f32: function(float{}); return true;
    case DType::f64: function(double{}); return true;
    case DType::f16: function(ir::Half{}); return true;
    case DType::bf16: function(ir::Brain{}); return true;
    case DType::i8: function(int8_t{}); return true;
    case DType::i16: function(int16_t{}); return true;
    case DType::i32: function(int32_t{}); return true;
    case DType::i64: function(int64_t{}); return true;
    case DType::u8: function(uint8_t{}); return true;
    case DType::u16: function(uint16_t{}); return true;
    case DType::u32: function(uint32_t{}); return true;
    case DType::u64: function(uint64_t{}); return true;
    case DType::boolean: function(bool{}); return true;
  }
  return false;
}

template <typename T>
constexpr bool kIsHalf = std::is_same_v<T, ir::Half> || std::is_same_v<T, ir::Brain>;

// The number that an element is.
template <typename T>
auto number_of(T element) {
  if constexpr (kIsHalf<T>) {
    return ir::to_float(element);
  } else {
    return element;
  }
}

// Whether `value` is within what To holds, so that a cast to it is defined.
template <typename To, typename From>
bool is_within(From value) {
  if constexpr (std::is_floating_point_v<To>) {
    return true;
  } else if constexpr (std::is_floating_point_v<From>) {
    // 2^digits is exact in any floating type; NaN compares as false.
    const auto above = std::ldexp(From{1}, std::numeric_limits<To>::digits);
    return value < above && (std::is_signed_v<To> ? value >= -above : value >= 0);
  } else if constexpr (std::is_same_v<To, bool>) {
    return value == From{0} || value == From{1};
  } else {
    return std::in_range<To>(value);
  }
}

// The same number as To, or nothing.
template <typename To, typename From>
std::optional<To> exactly(From value) {
  if constexpr (std::is_same_v<From, bool>) {
    return static_cast<To>(value ? 1 : 0);
  } else {
    if constexpr (std::is_floating_point_v<To> && std::is_floating_point_v<From>) {
      if (std::isnan(value)) return std::numeric_limits<To>::quiet_NaN();
    }
    if (!is_within<To>(value)) return std::nullopt;
    const To converted = static_cast<To>(value);
    if constexpr (!std::is_same_v<To, bool>) {
      if (!is_within<From>(converted)) return std::nullopt;
    }
    if (static_cast<From>(converted) != value) return std::nullopt;
    return converted;
  }
}

// The element of type To that is this number, or nothing.
template <typename To, typename From>
std::optional<To> element_of(From value) {
  if constexpr (!kIsHalf<To>) {
    return exactly<To>(value);
  } else {
    const std::optional<float> number = exactly<float>(value);
    if (!number) return std::nullopt;
    To element;
    if constexpr (std::is_same_v<To, ir::Half>) element = ir::to_half(*number);
    if constexpr (std::is_same_v<To, ir::Brain>) element = ir::to_brain(*number);
    const bool same = ir::to_float(element) == *number || std::isnan(*number);
    return same ? std::optional(element) : std::nullopt;
  }
}

std::string index_text(int64_t at, const ir::Shape& shape) {
  std::string text;
  for (size_t i = shape.rank(); i-- > 0;) {
    text = std::to_string(at % shape[i]) + (text.empty() ? "" : ", ") + text;
    at /= shape[i];
  }
  return "[" + text + "]";
}

template <typename From, typename To>
Status convert(const Tensor& from, Tensor& to) {
  const From* source = from.data.as<From>();
  To* target = to.data.as<To>();
  for (int64_t i = 0, n = from.desc.shape.elements(); i < n; ++i) {
    const auto number = number_of(source[i]);
    const std::optional<To> value = element_of<To>(number);
    if (!value) {
      return invalid_argument("element " + index_text(i, from.desc.shape) + " is " +
                              std::to_string(number) + ", which no " +
                              ir::dtype_name(to.desc.dtype) + " is");
    }
    target[i] = *value;
  }
  return {};
}

}  // namespace

std::optional<DType> find_dtype(std::string_view name) {
  for (const DType dtype : ir::kDTypes) {
    if (name == ir::dtype_name(dtype)) return dtype;
  }
  return std::nullopt;
}

Result<Tensor> convert_exactly(Tensor tensor, DType to) {
  if (tensor.desc.dtype == to) return tensor;
  TAOISM_ASSIGN_OR_RETURN(Tensor converted, empty_tensor(tensor.format, {to, tensor.desc.shape}));
  Status status;
  const bool known = with_type(tensor.desc.dtype, [&](auto from) {
    with_type(to, [&](auto target) {
      status = convert<decltype(from), decltype(target)>(tensor, converted);
    });
  });
  if (!known) return invalid_argument("its type is not converted");
  TAOISM_RETURN_IF_ERROR(status);
  return converted;
}

}  // namespace taoism::files
