#include "kernels/conv2d.h"

#include <algorithm>

#include "kernels/conv_depthwise.h"
#include "kernels/conv_gemm.h"
#include "kernels/conv_plan.h"
#include "kernels/conv_stem.h"
#include "kernels/winograd.h"

namespace taoism::kernels {
namespace {

constexpr struct {
  ConvKernel kernel;
  const char* name;
} kNames[] = {
    {ConvKernel::depthwise, "depthwise"},
    {ConvKernel::direct, "direct"},
    {ConvKernel::gemm_pixels, "gemm_pixels"},
    {ConvKernel::gemm_channels, "gemm_channels"},
    {ConvKernel::winograd_2x2_pixels, "winograd_2x2_pixels"},
    {ConvKernel::winograd_4x4_pixels, "winograd_4x4_pixels"},
    {ConvKernel::winograd_2x2_channels, "winograd_2x2_channels"},
    {ConvKernel::winograd_4x4_channels, "winograd_4x4_channels"},
};

// What computes it, all kernels of a kind being one piece of code.
enum class Kind : uint8_t { depthwise, winograd, direct, gemm };
Kind kind_of(const Conv2dShape& shape) {
  const ConvKernel kernel = shape.packing.kernel;
  TAOISM_CHECK(kernel != ConvKernel::none);
  if (kernel == ConvKernel::depthwise) return Kind::depthwise;
  if (winograd_tile(kernel) != 0) return Kind::winograd;
  return kernel == ConvKernel::direct ? Kind::direct : Kind::gemm;
}

}  // namespace

const char* conv_kernel_name(ConvKernel kernel) {
  for (const auto& known : kNames) {
    if (known.kernel == kernel) return known.name;
  }
  return "none";
}

std::optional<ConvKernel> find_conv_kernel(std::string_view name) {
  for (const auto& known : kNames) {
    if (known.name == name) return known.kernel;
  }
  return std::nullopt;
}

bool conv2d_applies(const Conv2dShape& shape, ConvKernel kernel) {
  // With one input channel a group there is nothing to reduce over but the taps.
  const bool is_depthwise = shape.groups > 1 && shape.groups == shape.in_channels;
  if (is_depthwise || kernel == ConvKernel::depthwise) {
    return is_depthwise && kernel == ConvKernel::depthwise;
  }
  if (const int64_t tile = winograd_tile(kernel); tile != 0) return winograd_applies(shape, tile);
  return kernel == ConvKernel::direct ? is_conv_stem(shape) : kernel != ConvKernel::none;
}

bool conv2d_applies(const Conv2dShape& shape) {
  const ConvPacking& packing = shape.packing;
  if (!conv2d_applies(shape, packing.kernel)) return false;
  if (packing.kernel == ConvKernel::depthwise) return packing == ConvPacking{packing.kernel};
  const int64_t taps = shape.kernel_h * shape.kernel_w;
  const int64_t k = shape.in_channels / shape.groups * taps;
  const int64_t depth = packing.block_depth;
  if (depth < taps || depth > k || depth % taps != 0) return false;
  if (depth != k && (winograd_tile(packing.kernel) != 0 || packing.kernel == ConvKernel::direct)) {
    return false;
  }
  const TileSet& tiles = tile_set();
  if (is_along_channels(packing.kernel)) {
    return packing.tile_width > 0 && packing.tile_width <= tiles.columns() &&
           packing.tile_width % tiles.lanes == 0;
  }
  return packing.tile_width > 0 && packing.tile_width <= tiles.rows;
}

size_t conv2d_packed_bytes(const Conv2dShape& shape) {
  const int64_t elems = kind_of(shape) == Kind::depthwise ? conv_depthwise_packed_elems(shape)
                                                          : conv_weight_tiles(shape).elems();
  return static_cast<size_t>(elems) * sizeof(float);
}

void conv2d_pack(const Conv2dShape& shape, const float* weights, float* packed) {
  if (kind_of(shape) == Kind::depthwise) return conv_depthwise_pack(shape, weights, packed);
  conv_weights_pack(conv_weight_tiles(shape), shape.out_channels / shape.groups, weights, packed);
}

size_t conv2d_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  switch (kind_of(shape)) {
    case Kind::depthwise: return conv_depthwise_scratch_bytes(shape, threads);
    case Kind::winograd: return winograd_scratch_bytes(shape, threads, WinogradCall::whole);
    case Kind::direct: return conv_stem_scratch_bytes(shape, threads);
    case Kind::gemm: break;
  }
  return conv_gemm_scratch_bytes(shape, threads);
}

size_t conv2d_least_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return kind_of(shape) == Kind::winograd ? winograd_least_scratch_bytes(shape, threads)
                                          : conv2d_scratch_bytes(shape, threads);
}

void conv2d(const Conv2dShape& shape, const float* input, const float* packed,
            const Epilogue& epilogue, float* output, ByteSpan scratch, Parallel& parallel) {
  switch (kind_of(shape)) {
    case Kind::depthwise:
      return conv_depthwise(shape, 0, conv_depthwise_packed_elems(shape), input, packed, epilogue,
                            output, scratch, parallel);
    case Kind::winograd:
      return winograd(shape, WinogradCall::whole, 0, conv_weight_tiles(shape).elems(), input,
                      packed, epilogue, output, scratch, parallel);
    case Kind::direct:
      return conv_stem(shape, 0, conv_weight_tiles(shape).elems(), input, packed, epilogue, output,
                       scratch, parallel);
    case Kind::gemm: break;
  }
  conv_gemm(shape, input, packed, epilogue, output, scratch, parallel);
}

size_t conv2d_piece_end(const Conv2dShape& shape, size_t begin, size_t target_bytes) {
  return kind_of(shape) == Kind::depthwise
             ? conv_depthwise_piece_end(shape, begin, target_bytes)
             : conv_weight_tiles(shape).piece_end(begin, target_bytes);
}

size_t conv2d_part_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  switch (kind_of(shape)) {
    case Kind::depthwise: return conv_depthwise_scratch_bytes(shape, threads);
    case Kind::winograd: return winograd_scratch_bytes(shape, threads, WinogradCall::part);
    case Kind::direct: return conv_stem_scratch_bytes(shape, threads);
    case Kind::gemm: break;
  }
  return conv_gemm_part_scratch_bytes(shape, threads);
}

size_t conv2d_least_part_scratch_bytes(const Conv2dShape& shape, size_t threads) {
  return kind_of(shape) == Kind::winograd ? winograd_least_scratch_bytes(shape, threads)
                                          : conv2d_part_scratch_bytes(shape, threads);
}

void conv2d_part(const Conv2dShape& shape, size_t begin, size_t end, const float* input,
                 const float* packed_part, const Epilogue& epilogue, float* output,
                 ByteSpan scratch, Parallel& parallel) {
  const auto first = static_cast<int64_t>(begin / sizeof(float));
  const auto last = static_cast<int64_t>(end / sizeof(float));
  switch (kind_of(shape)) {
    case Kind::depthwise:
      return conv_depthwise(shape, first, last, input, packed_part, epilogue, output, scratch,
                            parallel);
    case Kind::winograd:
      return winograd(shape, WinogradCall::part, first, last, input, packed_part, epilogue, output,
                      scratch, parallel);
    case Kind::direct:
      return conv_stem(shape, first, last, input, packed_part, epilogue, output, scratch, parallel);
    case Kind::gemm: break;
  }
  conv_gemm_part(shape, first, last, input, packed_part, epilogue, output, scratch, parallel);
}

int64_t conv2d_row_step(const Conv2dShape& shape) {
  return std::max<int64_t>(winograd_tile(shape.packing.kernel), 1);
}

}  // namespace taoism::kernels
