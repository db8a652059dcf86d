#include "kernels/elementwise.h"

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/spans.h"

namespace taoism::kernels {
namespace {

// Elements a task handles at least, and the stretch that is still in the first-level cache when the
// activation follows the operation.
constexpr int64_t kTaskElems = 16 * 1024;
constexpr int64_t kStretch = 2048;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// function(begin, end) over pieces of [0, count).
template <typename Function>
void for_pieces(Parallel& parallel, int64_t count, int64_t piece, Function&& function) {
  const int64_t pieces = ceil_div(count, piece);
  parallel_for(parallel, static_cast<size_t>(pieces), [&](size_t index, size_t) {
    const int64_t begin = static_cast<int64_t>(index) * piece;
    function(begin, std::min(begin + piece, count));
  });
}

// stretch(begin, count) writes y[begin..] under `bounds`; what is not a clamp follows per stretch.
template <typename Function>
void then_activate(float* y, int64_t count, const Activation& activation, Function&& stretch) {
  if (is_clamp(activation)) return stretch(int64_t{0}, count);
  for (int64_t i = 0; i < count; i += kStretch) {
    const int64_t n = std::min(kStretch, count - i);
    stretch(i, n);
    activate_span(y + i, y + i, n, activation);
  }
}

float apply(BinaryOp op, float a, float b) {
  switch (op) {
    case BinaryOp::add: return a + b;
    case BinaryOp::sub: return a - b;
    case BinaryOp::mul: return a * b;
    case BinaryOp::div: return a / b;
    case BinaryOp::min: return a != a || a < b ? a : b;
    case BinaryOp::max: return a != a || a > b ? a : b;
    case BinaryOp::prelu: break;
  }
  return a < 0 ? a * b : a;
}

// Drops dimensions of one and joins neighbours that both operands walk through as one.
BroadcastShape simplified(const BroadcastShape& in) {
  BroadcastShape out;
  for (int i = 0; i < in.rank; ++i) {
    if (in.dims[i] == 1) continue;
    const int last = out.rank - 1;
    if (last >= 0 && out.a_strides[last] == in.a_strides[i] * in.dims[i] &&
        out.b_strides[last] == in.b_strides[i] * in.dims[i]) {
      out.dims[last] *= in.dims[i];
      out.a_strides[last] = in.a_strides[i];
      out.b_strides[last] = in.b_strides[i];
      continue;
    }
    out.dims[out.rank] = in.dims[i];
    out.a_strides[out.rank] = in.a_strides[i];
    out.b_strides[out.rank] = in.b_strides[i];
    ++out.rank;
  }
  if (out.rank == 0) {
    out.rank = 1;
    out.dims[0] = 1;
  }
  return out;
}

void row(BinaryOp op, const float* a, int64_t a_stride, const float* b, int64_t b_stride, float* y,
         int64_t count, const Activation& activation) {
  const Bounds bounds = bounds_of(activation);
  const bool fast = (a_stride == 0 || a_stride == 1) && (b_stride == 0 || b_stride == 1);
  then_activate(y, count, activation, [&](int64_t begin, int64_t n) {
    const float* pa = a + begin * a_stride;
    const float* pb = b + begin * b_stride;
    if (fast) return binary_span(op, pa, a_stride == 0, pb, b_stride == 0, y + begin, n, bounds);
    for (int64_t i = 0; i < n; ++i) {
      const float v = apply(op, pa[i * a_stride], pb[i * b_stride]);
      const float low = v < bounds.low ? bounds.low : v;
      y[begin + i] = low > bounds.high ? bounds.high : low;
    }
  });
}

}  // namespace

void activate(const float* x, float* y, int64_t count, const Activation& activation,
              Parallel& parallel) {
  for_pieces(parallel, count, kTaskElems, [&](int64_t begin, int64_t end) {
    activate_span(x + begin, y + begin, end - begin, activation);
  });
}

void unary(UnaryOp op, const float* x, float* y, int64_t count, Parallel& parallel) {
  for_pieces(parallel, count, kTaskElems, [&](int64_t begin, int64_t end) {
    unary_span(op, x + begin, y + begin, end - begin);
  });
}

void binary(BinaryOp op, const float* a, const float* b, float* y, int64_t count,
            const Activation& activation, Parallel& parallel) {
  for_pieces(parallel, count, kTaskElems, [&](int64_t begin, int64_t end) {
    row(op, a + begin, 1, b + begin, 1, y + begin, end - begin, activation);
  });
}

void binary_broadcast(BinaryOp op, const BroadcastShape& original, const float* a, const float* b,
                      float* y, const Activation& activation, Parallel& parallel) {
  const BroadcastShape s = simplified(original);
  const int64_t inner = s.dims[s.rank - 1];
  int64_t rows = 1;
  for (int i = 0; i + 1 < s.rank; ++i) rows *= s.dims[i];
  if (rows == 0 || inner == 0) return;
  const int64_t a_step = s.a_strides[s.rank - 1];
  const int64_t b_step = s.b_strides[s.rank - 1];
  const int64_t piece = std::min(inner, kTaskElems);
  const int64_t pieces = ceil_div(inner, piece);
  for_pieces(parallel, rows * pieces, std::max<int64_t>(1, kTaskElems / piece),
             [&](int64_t begin, int64_t end) {
               for (int64_t unit = begin; unit < end; ++unit) {
                 const int64_t first = unit % pieces * piece;
                 int64_t a_offset = first * a_step;
                 int64_t b_offset = first * b_step;
                 int64_t index = unit / pieces;
                 for (int i = s.rank - 2; i >= 0; --i) {
                   a_offset += index % s.dims[i] * s.a_strides[i];
                   b_offset += index % s.dims[i] * s.b_strides[i];
                   index /= s.dims[i];
                 }
                 row(op, a + a_offset, a_step, b + b_offset, b_step,
                     y + unit / pieces * inner + first, std::min(piece, inner - first), activation);
               }
             });
}

void scale_shift(int64_t outer, int64_t channels, int64_t inner, const float* x, const float* scale,
                 const float* shift, float* y, const Activation& activation, Parallel& parallel) {
  if (outer == 0 || channels == 0 || inner == 0) return;
  const Bounds bounds = bounds_of(activation);
  const float one = 1.0f;
  const float zero = 0.0f;
  if (inner == 1 && scale != nullptr && shift != nullptr) {  // vectors along the channels
    for_pieces(parallel, outer, std::max<int64_t>(1, kTaskElems / channels),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   float* to = y + i * channels;
                   then_activate(to, channels, activation, [&](int64_t at, int64_t n) {
                     affine_span(x + i * channels + at, scale + at, shift + at, false, to + at, n,
                                 bounds);
                   });
                 }
               });
    return;
  }
  for_pieces(parallel, outer * channels, std::max<int64_t>(1, kTaskElems / inner),
             [&](int64_t begin, int64_t end) {
               for (int64_t i = begin; i < end; ++i) {
                 const int64_t c = i % channels;
                 float* to = y + i * inner;
                 then_activate(to, inner, activation, [&](int64_t at, int64_t n) {
                   affine_span(x + i * inner + at, scale != nullptr ? scale + c : &one,
                               shift != nullptr ? shift + c : &zero, true, to + at, n, bounds);
                 });
               }
             });
}

}  // namespace taoism::kernels
