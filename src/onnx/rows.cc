#include "onnx/rows.h"

#include <algorithm>
#include <optional>

#include "ops/core/index.h"

namespace taoism::onnx {
namespace {

// A number at the rows that are bound, and its growth.
struct Number {
  int64_t value = 0, growth = 0;
};

// What is left of it for no rows; nothing where that is not known.
std::optional<int64_t> fixed_part(const Number& x, int64_t rows) {
  int64_t grown = 0, left = 0;
  if (x.growth == kUnknownGrowth || __builtin_mul_overflow(x.growth, rows, &grown) ||
      __builtin_sub_overflow(x.value, grown, &left)) {
    return std::nullopt;
  }
  return left;
}

int64_t added(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kUnknownGrowth : sum;
}

int64_t scaled(int64_t growth, int64_t factor) {
  int64_t product = 0;
  return __builtin_mul_overflow(growth, factor, &product) ? kUnknownGrowth : product;
}

// Whether a - b has the same sign, or is 0, for every number of rows.
bool is_decided(const Number& a, const Number& b, int64_t rows) {
  const auto fa = fixed_part(a, rows), fb = fixed_part(b, rows);
  int64_t growth = 0, fixed = 0;
  if (!fa || !fb || __builtin_sub_overflow(a.growth, b.growth, &growth) ||
      __builtin_sub_overflow(*fa, *fb, &fixed)) {
    return false;
  }
  const int64_t with_one = added(growth, fixed);
  return growth == 0 || (growth > 0 && with_one > 0) ||
         (growth < 0 && with_one < 0 && with_one != kUnknownGrowth);
}

int64_t quotient_growth(const Number& a, const Number& b, int64_t rows) {
  const auto fa = fixed_part(a, rows), fb = fixed_part(b, rows);
  if (!fa || !fb) return kUnknownGrowth;
  if (b.growth == 0) {
    const bool exact = b.value != 0 && b.value != -1 && a.growth % b.value == 0 &&
                       *fa % b.value == 0;
    return exact ? a.growth / b.value : kUnknownGrowth;
  }
  return *fa == 0 && *fb == 0 && b.growth != -1 && a.growth % b.growth == 0 ? 0 : kUnknownGrowth;
}

bool is_comparison(std::string_view op) {
  return op == "Equal" || op == "Less" || op == "Greater" || op == "LessOrEqual" ||
         op == "GreaterOrEqual";
}

// Of op(a, b), of which one grows.
int64_t binary_growth(std::string_view op, const Number& a, const Number& b, int64_t rows) {
  if (a.growth == kUnknownGrowth || b.growth == kUnknownGrowth) return kUnknownGrowth;
  if (op == "Add") return added(a.growth, b.growth);
  if (op == "Sub") return added(a.growth, scaled(b.growth, -1));
  if (op == "Mul" && b.growth == 0) return scaled(a.growth, b.value);
  if (op == "Mul" && a.growth == 0) return scaled(b.growth, a.value);
  if (op == "Div") return quotient_growth(a, b, rows);
  if (op == "Mod" && b.growth == 0 && b.value != 0 && b.value != -1) {
    return a.growth % b.value == 0 ? 0 : kUnknownGrowth;
  }
  const bool decided = is_decided(a, b, rows);
  if (is_comparison(op) && decided) return 0;
  if (op == "Max" && decided) return a.value > b.value ? a.growth : b.growth;
  if (op == "Min" && decided) return a.value < b.value ? a.growth : b.growth;
  return kUnknownGrowth;
}

// Reads operand `i` element by element as if it had the shape of what is made.
class Reader {
 public:
  Reader(const Operand& operand, const ir::Shape& made)
      : operand_(operand),
        rank_(made.rank()),
        strides_(ops::broadcast_strides(operand.constant->desc.shape, made)) {}

  Number at(const ops::Index& index) const {
    const auto i = static_cast<size_t>(ops::offset_of(index, strides_, rank_));
    Number number;
    if (operand_.rows->growth != nullptr) number.growth = (*operand_.rows->growth)[i];
    switch (operand_.constant->desc.dtype) {
      case ir::DType::i64: number.value = operand_.constant->i64()[i]; break;
      case ir::DType::i32:
        number.value = reinterpret_cast<const int32_t*>(operand_.constant->data)[i];
        break;
      case ir::DType::boolean: number.value = operand_.constant->data[i] != std::byte{0}; break;
      default: break;  // what grows is no such number
    }
    return number;
  }

 private:
  const Operand& operand_;
  const size_t rank_;
  const ops::Index strides_;
};

bool is_integer(ir::DType type) { return type == ir::DType::i64 || type == ir::DType::i32; }

bool is_whole(const Operand& operand) {
  const ir::DType type = operand.constant->desc.dtype;
  return is_integer(type) || type == ir::DType::boolean;
}

Growth element_growth(std::string_view op, std::span<const Operand> operands,
                      const ir::TensorDesc& made, int64_t rows) {
  std::vector<Reader> readers;
  for (const Operand& operand : operands) readers.emplace_back(operand, made.shape);
  Growth growth;
  ops::for_each_index(made.shape, [&](const ops::Index& index, int64_t) {
    const Number a = readers[0].at(index);
    const Number b = readers.size() > 1 ? readers[1].at(index) : Number{};
    if (op == "Where") {
      const Number c = readers[2].at(index);
      const bool same = b.growth == c.growth && b.value == c.value;
      growth.push_back(a.growth == 0 ? (a.value != 0 ? b : c).growth
                       : same        ? b.growth
                                     : kUnknownGrowth);
    } else if (a.growth == 0 && b.growth == 0) {
      growth.push_back(0);
    } else if (op == "Neg") {
      growth.push_back(a.growth == kUnknownGrowth ? a.growth : scaled(a.growth, -1));
    } else if (op == "Cast") {
      const bool kept = is_integer(made.dtype);
      const bool truth = made.dtype == ir::DType::boolean && is_decided(a, {}, rows);
      growth.push_back(kept ? a.growth : truth ? 0 : kUnknownGrowth);
    } else {
      growth.push_back(binary_growth(op, a, b, rows));
    }
  });
  return growth;
}

}  // namespace

std::shared_ptr<const std::string> mixed_by(std::string_view node, std::string_view op,
                                            std::string_view how) {
  return std::make_shared<const std::string>("node '" + std::string(node) + "' (" +
                                             std::string(op) + ") mixes rows: " +
                                             std::string(how));
}

Growth growth_of(const Rows& rows, const ir::Shape& shape) {
  Growth growth(shape.rank(), rows.mixed != nullptr ? kUnknownGrowth : 0);
  if (rows.at.any()) growth.at(static_cast<size_t>(rows.at.axis)) = rows.at.per_row();
  return growth;
}

int64_t product_growth(const ir::Shape& shape, const Growth& growth, size_t first, size_t last) {
  int64_t factor = 1, grows = 0;
  for (size_t i = first; i < last; ++i) {
    if (growth[i] == 0) {
      factor *= shape[i];
    } else if (grows != 0 || growth[i] == kUnknownGrowth) {
      return kUnknownGrowth;
    } else {
      grows = growth[i];
    }
  }
  return scaled(grows, factor);
}

std::shared_ptr<const Growth> shared_growth(Growth growth) {
  if (std::all_of(growth.begin(), growth.end(), [](int64_t g) { return g == 0; })) return nullptr;
  return std::make_shared<const Growth>(std::move(growth));
}

Rows computed_rows(std::string_view op, std::span<const Operand> operands,
                   const ir::TensorDesc& made, int64_t rows) {
  Rows result;
  bool grows = false, whole = true;
  for (const Operand& operand : operands) {
    if (operand.constant == nullptr) continue;
    if (operand.rows->mixed != nullptr) return {.at = {}, .growth = {}, .mixed = operand.rows->mixed};
    grows = grows || operand.rows->growth != nullptr;
    whole = whole && is_whole(operand);
  }
  if (!grows) return result;
  const bool known = is_comparison(op) || op == "Add" || op == "Sub" || op == "Mul" ||
                     op == "Div" || op == "Mod" || op == "Max" || op == "Min" || op == "Neg" ||
                     op == "Where" || op == "Cast";
  if (op == "Reshape") {
    result.growth = operands[0].rows->growth;
  } else if (known && whole) {
    result.growth = shared_growth(element_growth(op, operands, made, rows));
  } else {
    result.growth = std::make_shared<const Growth>(
        static_cast<size_t>(made.shape.elements()), kUnknownGrowth);
  }
  return result;
}

}  // namespace taoism::onnx
