// Shorthands for writing the tables of cases.
#pragma once

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cases.h"

namespace taoism::conformance {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

inline ir::Attrs attrs(const std::vector<std::pair<const char*, ir::AttrValue>>& entries) {
  ir::Attrs result;
  for (const auto& [name, value] : entries) result.set(name, value);
  return result;
}

inline CaseInput tensor(ir::Shape shape, CaseInput::Fill fill = CaseInput::uniform) {
  return {CaseInput::tensor, shape, fill, nullptr};
}
inline CaseInput weight(ir::Shape shape, CaseInput::Fill fill = CaseInput::uniform) {
  return {CaseInput::weight, shape, fill, nullptr};
}
// Indices of a dimension of `dim` elements, half of them counted from the end.
inline CaseInput indices(ir::Shape shape, int64_t dim, CaseInput::Kind kind = CaseInput::tensor) {
  return {kind, shape, CaseInput::integers, nullptr, dim};
}
// These numbers, in one dimension.
template <typename T>
CaseInput numbers(const std::vector<T>& list) {
  constexpr ir::DType kType = std::is_same_v<T, float> ? ir::DType::f32 : ir::DType::i64;
  const ir::Shape shape{static_cast<int64_t>(list.size())};
  auto [constant, data] = ir::make_constant({kType, shape});
  std::copy(list.begin(), list.end(), reinterpret_cast<T*>(data));
  return {CaseInput::tensor, shape, CaseInput::uniform, constant};
}
inline CaseInput absent() { return {CaseInput::absent, {}, CaseInput::uniform, nullptr}; }

// The tables, one a family of operators.
void add_conv_cases(std::vector<OpCase>& cases);
void add_linear_cases(std::vector<OpCase>& cases);
void add_function_cases(std::vector<OpCase>& cases);
void add_pointwise_cases(std::vector<OpCase>& cases);
void add_pool_cases(std::vector<OpCase>& cases);
void add_layout_cases(std::vector<OpCase>& cases);
void add_protocol_cases(std::vector<OpCase>& cases);

}  // namespace taoism::conformance
