// Fully connected layer: y[rows][out] = activation(x[rows][in] . W^T + bias + residual), weights
// packed once, for a target (target.h). Trusted: no allocation; `scratch` is all the
// temporary memory, aligned to kAlignment. Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/epilogue.h"

namespace taoism::kernels {

// How packed weights lie: rows of in_features in a block, out_features in a tile (weight_tiles.h).
struct LinearPacking {
  int64_t block_depth = 0, tile_width = 0;
};

struct LinearShape {
  int64_t rows = 1, in_features = 1, out_features = 1;
  LinearPacking packing = {};
};

// The fastest on the current target; the rows make no difference. Whether the current target
// computes by the shape's packing: what the functions below ask of a shape.
LinearPacking choose_linear(const LinearShape& shape);
bool linear_applies(const LinearShape& shape);

// Bytes of the packed weights: independent of the rows.
size_t linear_packed_bytes(const LinearShape& shape);

// weights [out][in], or [in][out] when weights_are_in_by_out, -> packed.
void linear_pack(const LinearShape& shape, const float* weights, bool weights_are_in_by_out,
                 float* packed);

size_t linear_scratch_bytes(const LinearShape& shape, size_t threads);

// Epilogue: bias per output feature, residual [rows][out]. y may not overlap x.
void linear(const LinearShape& shape, const float* x, const float* packed, const Epilogue& epilogue,
            float* y, ByteSpan scratch, Parallel& parallel);

// For weights that are streamed: as conv2d_piece_end, conv2d_part_scratch_bytes and conv2d_part.
size_t linear_piece_end(const LinearShape& shape, size_t begin, size_t target_bytes);
size_t linear_part_scratch_bytes(const LinearShape& shape, size_t threads);
void linear_part(const LinearShape& shape, size_t begin, size_t end, const float* x,
                 const float* packed_part, const Epilogue& epilogue, float* y, ByteSpan scratch,
                 Parallel& parallel);

}  // namespace taoism::kernels
