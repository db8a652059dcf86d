#include "onnx/twins.h"

#include <cstring>
#include <string>

#include "ir/telling.h"
#include "onnx/running_digest.h"

namespace taoism::onnx {
namespace {

// A constant as rows and columns, or the same transposed. A matrix is what has two dimensions of
// more than one, as the weight of a 1x1 convolution has too; anything else is one row.
struct Matrix {
  explicit Matrix(const ir::Constant& of) : constant(&of) {
    std::vector<size_t> sides;
    for (const int64_t size : of.desc.shape.dims()) {
      if (size > 1) sides.push_back(static_cast<size_t>(size));
    }
    is_matrix = sides.size() == 2;
    rows = is_matrix ? sides[0] : 1;
    columns = is_matrix ? sides[1] : static_cast<size_t>(of.desc.shape.elements());
    row_step = columns;
  }
  Matrix transposed() const {
    Matrix other = *this;
    std::swap(other.rows, other.columns);
    std::swap(other.row_step, other.column_step);
    return other;
  }
  const std::byte* at(size_t row, size_t column) const {
    return constant->data + (row * row_step + column * column_step) * elem_bytes();
  }
  size_t elem_bytes() const { return ir::dtype_bytes(constant->desc.dtype); }

  const ir::Constant* constant;
  bool is_matrix = false;
  size_t rows = 1, columns = 0, row_step = 0, column_step = 1;
};

// Equal for equal matrices, and mostly different for others.
std::string sample_of(const Matrix& matrix, size_t row_samples, size_t column_samples) {
  std::string text = std::to_string(static_cast<int>(matrix.constant->desc.dtype)) + ":" +
                     std::to_string(matrix.rows) + ":" + std::to_string(matrix.columns) + ":";
  for (size_t i = 0; i < row_samples; ++i) {
    for (size_t j = 0; j < column_samples; ++j) {
      const size_t row = row_samples == 1 ? 0 : i * (matrix.rows - 1) / (row_samples - 1);
      const size_t column = j * (matrix.columns - 1) / (column_samples - 1);
      text.append(reinterpret_cast<const char*>(matrix.at(row, column)), matrix.elem_bytes());
    }
  }
  return text;
}
std::string flat_sample(const ir::Constant& constant) {
  Matrix flat(constant);
  flat.columns *= flat.rows;
  flat.rows = 1;
  return sample_of(flat, 1, 16);
}
std::string matrix_sample(const Matrix& matrix) { return sample_of(matrix, 4, 4); }

// SHA-256 of the elements, row by row.
Result<std::string> digest_of(const Matrix& matrix) {
  RunningDigest digest;
  const size_t size = matrix.elem_bytes();
  std::vector<std::byte> row(matrix.column_step == 1 ? 0 : matrix.columns * size);
  for (size_t i = 0; i < matrix.rows; ++i) {
    for (size_t j = 0; j < row.size() / size; ++j) {
      std::memcpy(row.data() + j * size, matrix.at(i, j), size);
    }
    digest.add({row.empty() ? matrix.at(i, 0) : row.data(), matrix.columns * size});
  }
  return digest.finish();
}

using Groups = std::unordered_map<std::string, std::vector<const ir::Constant*>>;

// Fills in `equal`; returns the first of each.
Result<std::vector<const ir::Constant*>> find_equal(const std::vector<ConstantPtr>& constants,
                                                    Twins& twins) {
  Groups alike;
  for (const ConstantPtr& constant : constants) {
    if (ir::is_telling(*constant)) alike[flat_sample(*constant)].push_back(constant.get());
  }
  std::vector<const ir::Constant*> firsts;
  for (const auto& [sample, group] : alike) {
    std::unordered_map<std::string, const ir::Constant*> first;
    for (const ir::Constant* constant : group) {
      if (group.size() > 1) {
        TAOISM_ASSIGN_OR_RETURN(std::string digest, digest_of(Matrix(*constant)));
        const auto [it, is_new] = first.emplace(std::move(digest), constant);
        if (!is_new) {
          if (it->second != constant) twins.equal.emplace(constant, it->second);
          continue;
        }
      }
      firsts.push_back(constant);
    }
  }
  return firsts;
}

Status find_transposed(const std::vector<const ir::Constant*>& constants, Twins& twins) {
  Groups alike;
  for (const ir::Constant* constant : constants) {
    const Matrix matrix(*constant);
    if (matrix.is_matrix) alike[matrix_sample(matrix)].push_back(constant);
  }
  std::unordered_map<const ir::Constant*, std::string> digests;
  for (const auto& [sample, group] : alike) {
    const auto others = alike.find(matrix_sample(Matrix(*group.front()).transposed()));
    if (others == alike.end() || others->first < sample) continue;  // each pair once
    std::unordered_map<std::string, const ir::Constant*> by_digest;
    for (const ir::Constant* constant : group) {
      TAOISM_ASSIGN_OR_RETURN(std::string digest, digest_of(Matrix(*constant).transposed()));
      by_digest.emplace(std::move(digest), constant);
    }
    for (const ir::Constant* other : others->second) {
      std::string& digest = digests[other];
      if (digest.empty()) {
        TAOISM_ASSIGN_OR_RETURN(digest, digest_of(Matrix(*other)));
      }
      const auto found = by_digest.find(digest);
      // Of the two, one is the first.
      if (found == by_digest.end() || found->second == other) continue;
      if (!twins.transposed.contains(found->second)) twins.transposed.emplace(other, found->second);
    }
  }
  return {};
}

}  // namespace

Result<Twins> find_twins(const std::vector<ConstantPtr>& constants) {
  Twins twins;
  TAOISM_ASSIGN_OR_RETURN(const auto firsts, find_equal(constants, twins));
  TAOISM_RETURN_IF_ERROR(find_transposed(firsts, twins));
  return twins;
}

}  // namespace taoism::onnx
