// Pictures: PNG, JPEG, PPM and PGM, by libpng and libjpeg-turbo, as bytes of red, green and blue.
// The bytes are hostile.
#pragma once

#include "base/bytes.h"
#include "ir/types.h"

namespace taoism::files {

// Of height x width x 3, in that order.
struct Image {
  int64_t height = 0, width = 0;
  AlignedBuffer pixels;
};

bool is_image(ConstByteSpan bytes);

// 8 bits a channel, the values that are stored: nothing is done about colour profiles or gamma, nor
// turned. Of a PNG's samples of 16 bits v / 257, rounded; then v * a + 255 * (1 - a), rounded,
// where it is transparent: on white. Errors: invalid_argument (damaged, no such format),
// resource_exhausted above 2^28 pixels.
Result<Image> decode_image(ConstByteSpan bytes);

// How a byte of a pixel becomes a number of a model's input.
struct PixelRule {
  enum Range : uint8_t { zero_to_one, minus_one_to_one, bytes, imagenet };
  Range range = zero_to_one;
  bool is_bgr = false;
};

// "0..1", "-1..1", "0..255" or "imagenet" (0..1, less the mean and over the deviation of each of
// ImageNet's channels), and "rgb" or "bgr", in either order: "bgr,-1..1". Errors: invalid_argument.
Result<PixelRule> parse_pixel_rule(std::string_view text);
std::string pixel_rule_text(const PixelRule& rule);

// The picture as a tensor of one row: 1 x channels x height x width, or 1 x height x width x
// channels. `channels` is 3, or 1 for its luma (ITU-R 601). Of `dtype` uint8 (the bytes as they
// are) or float32. Errors: invalid_argument.
struct ImageLayout {
  int64_t channels = 3;
  bool channels_last = false;
  ir::DType dtype = ir::DType::f32;
};
Result<AlignedBuffer> image_tensor(const Image& image, const ImageLayout& layout,
                                   const PixelRule& rule);

// `count` bytes as float32 by `rule`, which must not tell channels apart. Errors: invalid_argument.
Status scale_bytes(const uint8_t* from, size_t count, const PixelRule& rule, float* to);

}  // namespace taoism::files
