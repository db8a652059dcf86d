// The middle axis of [outer][axis][inner] float32, and how work along it is cut into tasks.
// Trusted.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/parallel.h"

namespace taoism::kernels {

struct AxisShape {
  int64_t outer = 1, axis = 1, inner = 1;
};

// Columns worked on together, at most, when the axis is not the last.
inline constexpr int64_t kAxisColumns = 1024;

// function(outer index, first column, columns) over all, in parallel, `columns` at a time.
template <typename Function>
void for_axis_columns(const AxisShape& s, int64_t columns, Parallel& parallel,
                      Function&& function) {
  const int64_t pieces = (s.inner + columns - 1) / columns;
  parallel_for(parallel, static_cast<size_t>(s.outer * pieces), [&](size_t index, size_t) {
    const int64_t outer = static_cast<int64_t>(index) / pieces;
    const int64_t first = static_cast<int64_t>(index) % pieces * columns;
    function(outer, first, std::min(columns, s.inner - first));
  });
}

// function(row) over `rows` of `count` elements, in parallel, several short ones to a task.
template <typename Function>
void for_axis_rows(int64_t rows, int64_t count, Parallel& parallel, Function&& function) {
  constexpr int64_t kTaskElems = 16 * 1024;
  const int64_t batch = std::max<int64_t>(1, kTaskElems / std::max<int64_t>(1, count));
  const auto tasks = static_cast<size_t>((rows + batch - 1) / batch);
  parallel_for(parallel, tasks, [&](size_t task, size_t) {
    const int64_t begin = static_cast<int64_t>(task) * batch;
    for (int64_t row = begin; row < std::min(begin + batch, rows); ++row) function(row);
  });
}

}  // namespace taoism::kernels
