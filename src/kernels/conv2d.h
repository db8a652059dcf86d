// Two-dimensional convolution over contiguous NCHW float32: grouped, dilated, strided, depthwise.
// Whoever packs the weights chooses a kernel (conv_choice.h); everything here follows that choice.
// Activations are never reordered in memory. Trusted: no allocation; `scratch` is all the temporary
// memory, aligned to kAlignment.
// Thread-safety: pure functions; calls with different outputs and scratch may run at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/parallel.h"
#include "kernels/epilogue.h"

namespace taoism::kernels {

enum class ConvKernel : uint8_t {
  none,  // nobody has chosen yet
  depthwise,
  direct,  // few input channels
  // As a matrix product, and by Winograd's tiles of the output: vectors run along the pixels of a
  // plane, or along output channels.
  gemm_pixels,
  gemm_channels,
  winograd_2x2_pixels,
  winograd_4x4_pixels,
  winograd_2x2_channels,
  winograd_4x4_channels,
};
// "gemm_pixels". None of this name: nothing.
const char* conv_kernel_name(ConvKernel kernel);
std::optional<ConvKernel> find_conv_kernel(std::string_view name);

// How packed weights lie, beside what the shape and the target say.
struct ConvPacking {
  ConvKernel kernel = ConvKernel::none;
  // Rows of k in a block, and output channels in a tile, of weight_tiles.h; 0 of depthwise ones.
  int64_t block_depth = 0, tile_width = 0;
  bool operator==(const ConvPacking&) const = default;
};

// All sizes are in elements and positive; padding is non-negative. The padding below and to the
// right follows from out_h and out_w: taps that fall outside the input read zero.
struct Conv2dShape {
  int64_t batch = 1, in_channels = 1, in_h = 1, in_w = 1;
  int64_t out_channels = 1, out_h = 1, out_w = 1;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0, dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;  // divides in_channels and out_channels
  // A band of rows of a map has the map's, and so its bits.
  ConvPacking packing;
};

// Whether the kernel computes convolutions of this shape, and whether the current target computes
// this one by its packing: what the functions below ask of a shape.
bool conv2d_applies(const Conv2dShape& shape, ConvKernel kernel);
bool conv2d_applies(const Conv2dShape& shape);

// Bytes of the packed weights: independent of the batch.
size_t conv2d_packed_bytes(const Conv2dShape& shape);

// weights [out_channels][in_channels/groups][kernel_h][kernel_w] -> packed.
void conv2d_pack(const Conv2dShape& shape, const float* weights, float* packed);

// Bytes of scratch that conv2d can use with that many threads, and the least that it needs: with
// less than it could use it may be slower, and gives the same.
size_t conv2d_scratch_bytes(const Conv2dShape& shape, size_t threads);
size_t conv2d_least_scratch_bytes(const Conv2dShape& shape, size_t threads);

// input [batch][in_channels][in_h][in_w] -> output [batch][out_channels][out_h][out_w], which may
// not overlap the input. scratch: conv2d_least_scratch_bytes(shape, parallel.threads()) at least.
void conv2d(const Conv2dShape& shape, const float* input, const float* packed,
            const Epilogue& epilogue, float* output, ByteSpan scratch, Parallel& parallel);

// For weights that are streamed. Where the packed bytes may be cut after `begin`, itself 0 or such
// a cut: the last cut in (begin, begin + target_bytes], the first after it when there is none, all
// the bytes at the end. The same for any batch and any band of rows.
size_t conv2d_piece_end(const Conv2dShape& shape, size_t begin, size_t target_bytes);

// Bytes of scratch that conv2d_part can use with that many threads, and the least that it needs.
// All calls of a series have the same.
size_t conv2d_part_scratch_bytes(const Conv2dShape& shape, size_t threads);
size_t conv2d_least_part_scratch_bytes(const Conv2dShape& shape, size_t threads);

// conv2d for bytes [begin, end) of the packed weights, both of them cuts, that lie at packed_part.
// Calls for adjoining ranges from 0 to the end, between which nobody writes to output or scratch,
// give bit for bit what conv2d gives.
void conv2d_part(const Conv2dShape& shape, size_t begin, size_t end, const float* input,
                 const float* packed_part, const Epilogue& epilogue, float* output,
                 ByteSpan scratch, Parallel& parallel);

// Rows of output that are computed together: a band that begins at a multiple of this, and ends at
// one or at the end of its map, has bit for bit the rows of the map.
int64_t conv2d_row_step(const Conv2dShape& shape);

}  // namespace taoism::kernels
