#include "files/image.h"

#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

#include "base/text.h"
#include "files/png_file.h"
#include "host/memory.h"

namespace taoism::files {
namespace {

constexpr int64_t kMaxPixels = int64_t{1} << 28;

std::string_view text_of(ConstByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_png(ConstByteSpan bytes) { return text_of(bytes).starts_with("\x89PNG\r\n\x1a\n"); }
bool is_jpeg(ConstByteSpan bytes) { return text_of(bytes).starts_with("\xff\xd8\xff"); }
bool is_portable(ConstByteSpan bytes) {
  const std::string_view text = text_of(bytes);
  return text.size() > 2 && text[0] == 'P' && (text[1] == '5' || text[1] == '6') &&
         (text[2] == ' ' || text[2] == '\n' || text[2] == '\t' || text[2] == '\r');
}

Result<Image> blank(int64_t height, int64_t width) {
  if (height < 1 || width < 1) return invalid_argument("an image without pixels");
  if (height > kMaxPixels / width) {
    return resource_exhausted("an image of " + std::to_string(width) + "x" +
                              std::to_string(height) + " pixels; make it smaller");
  }
  TAOISM_ASSIGN_OR_RETURN(AlignedBuffer pixels,
                          host::take_memory(static_cast<uint64_t>(3 * height * width)));
  return Image{height, width, std::move(pixels)};
}

Result<Image> decode_jpeg(ConstByteSpan bytes) {
  struct Close {
    void operator()(void* handle) const { (void)tjDestroy(handle); }
  };
  const std::unique_ptr<void, Close> decoder(tjInitDecompress());
  if (decoder == nullptr) return resource_exhausted("no memory for a JPEG decoder");
  const auto failed = [&decoder] {
    return invalid_argument("damaged JPEG file: " + printable(tjGetErrorStr2(decoder.get())));
  };
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  int width = 0, height = 0, sampling = 0, colours = 0;
  if (tjDecompressHeader3(decoder.get(), data, bytes.size(), &width, &height, &sampling,
                          &colours) != 0) {
    return failed();
  }
  if (colours == TJCS_CMYK || colours == TJCS_YCCK) {
    return invalid_argument("a JPEG file of printing colours (CMYK); save it as RGB");
  }
  TAOISM_ASSIGN_OR_RETURN(Image image, blank(height, width));
  auto* to = reinterpret_cast<unsigned char*>(image.pixels.data());
  if (tjDecompress2(decoder.get(), data, bytes.size(), to, width, 0, height, TJPF_RGB,
                    TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING) != 0) {
    return failed();
  }
  return image;
}

// A number of a PPM header, behind space and comments.
bool read_number(std::string_view& text, int64_t& number) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' ||
                           text[0] == '\r' || text[0] == '#')) {
    text.remove_prefix(text[0] == '#' ? std::min(text.find('\n'), text.size()) : 1);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

Result<Image> decode_portable(ConstByteSpan bytes) {
  std::string_view text = text_of(bytes);
  const bool is_colour = text[1] == '6';
  text.remove_prefix(2);
  int64_t width = 0, height = 0, most = 0;
  if (!read_number(text, width) || !read_number(text, height) || !read_number(text, most) ||
      text.empty()) {
    return invalid_argument("damaged PPM file: its header");
  }
  text.remove_prefix(1);
  if (most != 255) return invalid_argument("a PPM file of other than 8 bits a channel");
  TAOISM_ASSIGN_OR_RETURN(Image image, blank(height, width));
  const size_t pixels = static_cast<size_t>(height * width);
  if (text.size() < pixels * (is_colour ? 3 : 1)) {
    return invalid_argument("damaged PPM file: it is cut short");
  }
  const auto* from = reinterpret_cast<const uint8_t*>(text.data());
  uint8_t* to = image.pixels.as<uint8_t>();
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < 3; ++c) to[3 * i + c] = from[is_colour ? 3 * i + c : i];
  }
  return image;
}

float scaled(uint8_t value, const PixelRule& rule, size_t channel) {
  constexpr std::array<float, 3> kMean{0.485F, 0.456F, 0.406F};
  constexpr std::array<float, 3> kDeviation{0.229F, 0.224F, 0.225F};
  const auto v = static_cast<float>(value);
  switch (rule.range) {
    case PixelRule::zero_to_one: return v / 255.0F;
    case PixelRule::minus_one_to_one: return v / 127.5F - 1.0F;
    case PixelRule::bytes: return v;
    case PixelRule::imagenet: return (v / 255.0F - kMean[channel]) / kDeviation[channel];
  }
  return v;
}

uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
}

constexpr const char* kRanges[] = {"0..1", "-1..1", "0..255", "imagenet"};

}  // namespace

bool is_image(ConstByteSpan bytes) { return is_png(bytes) || is_jpeg(bytes) || is_portable(bytes); }

Result<Image> decode_image(ConstByteSpan bytes) {
  if (is_png(bytes)) return decode_png(bytes, blank);
  if (is_jpeg(bytes)) return decode_jpeg(bytes);
  if (is_portable(bytes)) return decode_portable(bytes);
  return invalid_argument("no PNG, JPEG or PPM file");
}

Result<PixelRule> parse_pixel_rule(std::string_view text) {
  PixelRule rule;
  for (bool is_last = false; !is_last;) {
    const size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    is_last = comma == std::string_view::npos;
    const auto* range = std::find(std::begin(kRanges), std::end(kRanges), word);
    if (range != std::end(kRanges)) {
      rule.range = static_cast<PixelRule::Range>(range - std::begin(kRanges));
    } else if (word == "bgr" || word == "rgb") {
      rule.is_bgr = word == "bgr";
    } else {
      return invalid_argument("'" + printable(word) +
                              "': write one of 0..1, -1..1, 0..255, imagenet, and rgb or bgr");
    }
    if (!is_last) text.remove_prefix(comma + 1);
  }
  return rule;
}

std::string pixel_rule_text(const PixelRule& rule) {
  return std::string(rule.is_bgr ? "bgr," : "rgb,") + kRanges[rule.range];
}

Result<AlignedBuffer> image_tensor(const Image& image, const ImageLayout& layout,
                                   const PixelRule& rule) {
  const bool is_grey = layout.channels == 1;
  const bool as_bytes = layout.dtype == ir::DType::u8;
  if (!is_grey && layout.channels != 3) {
    return invalid_argument("an image has 1 or 3 channels, not " + std::to_string(layout.channels));
  }
  if (!as_bytes && layout.dtype != ir::DType::f32) {
    return invalid_argument(std::string("an image becomes float32 or uint8, not ") +
                            ir::dtype_name(layout.dtype));
  }
  if (is_grey && rule.range == PixelRule::imagenet && !as_bytes) {
    return invalid_argument("imagenet is for three channels, and the input has one");
  }
  const auto pixels = static_cast<size_t>(image.height * image.width);
  const auto channels = static_cast<size_t>(layout.channels);
  TAOISM_ASSIGN_OR_RETURN(AlignedBuffer buffer,
                          host::take_memory(pixels * channels * (as_bytes ? 1 : 4)));
  const uint8_t* from = image.pixels.as<uint8_t>();
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < channels; ++c) {
      const size_t source = rule.is_bgr ? 2 - c : c;
      const uint8_t value = is_grey ? luma(from + 3 * i) : from[3 * i + source];
      const size_t at = layout.channels_last ? i * channels + c : c * pixels + i;
      if (as_bytes) {
        buffer.as<uint8_t>()[at] = value;
      } else {
        buffer.as<float>()[at] = scaled(value, rule, is_grey ? 0 : source);
      }
    }
  }
  return buffer;
}

Status scale_bytes(const uint8_t* from, size_t count, const PixelRule& rule, float* to) {
  if (rule.range == PixelRule::imagenet || rule.is_bgr) {
    return invalid_argument("imagenet and bgr are for images of three channels");
  }
  for (size_t i = 0; i < count; ++i) to[i] = scaled(from[i], rule, 0);
  return {};
}

}  // namespace taoism::files
