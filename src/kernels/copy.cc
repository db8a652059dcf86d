#include "kernels/copy.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"

namespace taoism::kernels {
namespace {

constexpr int64_t kTaskElems = 16 * 1024;
// Side of the square in which a transposition is done: both its sides stay in the first-level
// cache.
constexpr int64_t kSquare = 16;

// Elements of any type, moved as bits.
struct __attribute__((may_alias)) Bits32 {
  uint32_t bits;
};
struct __attribute__((may_alias)) Bits64 {
  uint64_t bits;
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Drops dimensions of one and joins neighbours that both sides walk through as one.
CopyShape simplified(const CopyShape& in) {
  CopyShape out;
  for (int i = 0; i < in.rank; ++i) {
    if (in.dims[i] == 1) continue;
    const int last = out.rank - 1;
    if (last >= 0 && out.source_strides[last] == in.source_strides[i] * in.dims[i] &&
        out.target_strides[last] == in.target_strides[i] * in.dims[i]) {
      out.dims[last] *= in.dims[i];
      out.source_strides[last] = in.source_strides[i];
      out.target_strides[last] = in.target_strides[i];
      continue;
    }
    out.dims[out.rank] = in.dims[i];
    out.source_strides[out.rank] = in.source_strides[i];
    out.target_strides[out.rank] = in.target_strides[i];
    ++out.rank;
  }
  while (out.rank < 2) {  // the last two dimensions are copied as a plane
    for (int i = out.rank; i > 0; --i) {
      out.dims[i] = out.dims[i - 1];
      out.source_strides[i] = out.source_strides[i - 1];
      out.target_strides[i] = out.target_strides[i - 1];
    }
    out.dims[0] = 1;
    out.source_strides[0] = out.target_strides[0] = 0;
    ++out.rank;
  }
  return out;
}

// Row r of the target is the r-th element of each of kColumns streams.
template <int64_t kColumns, typename T>
void interleave(const T* __restrict from, int64_t from_column, T* __restrict to, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < kColumns; ++c) to[r * kColumns + c] = from[c * from_column + r];
  }
}

// A plane [rows][columns] with a stride for each side and dimension.
template <typename T>
void copy_plane(const T* from, int64_t from_row, int64_t from_column, T* to, int64_t to_row,
                int64_t to_column, int64_t rows, int64_t columns) {
  if (from_column == 1 && to_column == 1) {
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(to + r * to_row, from + r * from_row, static_cast<size_t>(columns) * sizeof(T));
    }
    return;
  }
  if (from_column == 0 && to_column == 1) {
    for (int64_t r = 0; r < rows; ++r) std::fill_n(to + r * to_row, columns, from[r * from_row]);
    return;
  }
  if (from_row == 1 && to_column == 1 && to_row == columns && (columns == 2 || columns == 4)) {
    return columns == 2 ? interleave<2>(from, from_column, to, rows)
                        : interleave<4>(from, from_column, to, rows);
  }
  for (int64_t r0 = 0; r0 < rows; r0 += kSquare) {
    const int64_t r1 = std::min(rows, r0 + kSquare);
    for (int64_t c0 = 0; c0 < columns; c0 += kSquare) {
      const int64_t c1 = std::min(columns, c0 + kSquare);
      for (int64_t r = r0; r < r1; ++r) {
        for (int64_t c = c0; c < c1; ++c) {
          to[r * to_row + c * to_column] = from[r * from_row + c * from_column];
        }
      }
    }
  }
}

template <typename T>
void copy_elements(const CopyShape& s, const T* source, T* target, Parallel& parallel) {
  const int64_t rows = s.dims[s.rank - 2];
  const int64_t columns = s.dims[s.rank - 1];
  int64_t planes = 1;
  for (int i = 0; i + 2 < s.rank; ++i) planes *= s.dims[i];
  if (planes == 0 || rows == 0 || columns == 0) return;
  const int64_t piece = std::clamp<int64_t>(kTaskElems / columns, 1, rows);
  const int64_t pieces = ceil_div(rows, piece);
  const int64_t batch = std::max<int64_t>(1, kTaskElems / (piece * columns));
  const int64_t units = planes * pieces;
  parallel_for(parallel, static_cast<size_t>(ceil_div(units, batch)), [&](size_t task, size_t) {
    const int64_t begin = static_cast<int64_t>(task) * batch;
    for (int64_t unit = begin; unit < std::min(begin + batch, units); ++unit) {
      const int64_t row = unit % pieces * piece;
      int64_t from = row * s.source_strides[s.rank - 2];
      int64_t to = row * s.target_strides[s.rank - 2];
      int64_t index = unit / pieces;
      for (int i = s.rank - 3; i >= 0; --i) {
        from += index % s.dims[i] * s.source_strides[i];
        to += index % s.dims[i] * s.target_strides[i];
        index /= s.dims[i];
      }
      copy_plane(source + from, s.source_strides[s.rank - 2], s.source_strides[s.rank - 1],
                 target + to, s.target_strides[s.rank - 2], s.target_strides[s.rank - 1],
                 std::min(piece, rows - row), columns);
    }
  });
}

}  // namespace

void copy_strided(const CopyShape& shape, size_t element_bytes, const void* source, void* target,
                  Parallel& parallel) {
  const CopyShape s = simplified(shape);
  if (element_bytes == 1) {
    return copy_elements(s, static_cast<const std::byte*>(source), static_cast<std::byte*>(target),
                         parallel);
  }
  TAOISM_CHECK(element_bytes == sizeof(Bits32) || element_bytes == sizeof(Bits64));
  if (element_bytes == sizeof(Bits64)) {
    copy_elements(s, static_cast<const Bits64*>(source), static_cast<Bits64*>(target), parallel);
  } else {
    copy_elements(s, static_cast<const Bits32*>(source), static_cast<Bits32*>(target), parallel);
  }
}

void fill_strided(const CopyShape& shape, size_t element_bytes, const void* value, void* target,
                  Parallel& parallel) {
  CopyShape s = shape;
  std::fill_n(s.source_strides, kMaxRank, int64_t{0});
  copy_strided(s, element_bytes, value, target, parallel);
}

}  // namespace taoism::kernels
