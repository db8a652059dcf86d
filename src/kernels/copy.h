// Strided N-dimensional copies: Transpose, Slice, Concat, Pad, Expand. Trusted: no allocation.
// Thread-safety: pure functions; source and destination may not overlap.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"
#include "kernels/elementwise.h"

namespace taoism::kernels {

// Strides in elements, any sign (source also 0, to repeat); the pointers given are those of
// element [0][0]..[0]. 0 <= rank <= kMaxRank; rank 0 is one element; any dim may be 0.
struct CopyShape {
  int rank = 0;
  int64_t dims[kMaxRank] = {};
  int64_t source_strides[kMaxRank] = {};
  int64_t target_strides[kMaxRank] = {};
};

// element_bytes is 1, 4 or 8; both pointers are aligned to it.
void copy_strided(const CopyShape& shape, size_t element_bytes, const void* source, void* target,
                  Parallel& parallel);

// Sets every element of the region (source_strides unused) to the one at `value`.
void fill_strided(const CopyShape& shape, size_t element_bytes, const void* value, void* target,
                  Parallel& parallel);

}  // namespace taoism::kernels
