#include "files/image.h"

#include <gtest/gtest.h>
#include <png.h>
#include <turbojpeg.h>
#include <zlib.h>

#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace taoism::files {
namespace {

constexpr int64_t kHeight = 5, kWidth = 7;

// A picture whose every pixel differs.
std::string pixels() {
  std::string rgb;
  for (int64_t i = 0; i < kHeight * kWidth; ++i) {
    rgb += {static_cast<char>(7 * i), static_cast<char>(255 - 5 * i), static_cast<char>(i)};
  }
  return rgb;
}

std::string as_png() {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = kWidth;
  png.height = kHeight;
  png.format = PNG_FORMAT_RGB;
  const std::string rgb = pixels();
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string file(bytes, '\0');
  EXPECT_NE(png_image_write_to_memory(&png, file.data(), &bytes, 0, rgb.data(), 0, nullptr), 0);
  file.resize(bytes);
  return file;
}

std::string as_jpeg() {
  void* encoder = tjInitCompress();
  unsigned char* file = nullptr;
  unsigned long bytes = 0;
  const std::string rgb = pixels();
  EXPECT_EQ(tjCompress2(encoder, reinterpret_cast<const unsigned char*>(rgb.data()), kWidth, 0,
                        kHeight, TJPF_RGB, &file, &bytes, TJSAMP_444, 100, 0),
            0);
  std::string text(reinterpret_cast<const char*>(file), bytes);
  tjFree(file);
  (void)tjDestroy(encoder);
  return text;
}

std::string as_ppm() { return "P6\n# a comment\n7 5\n255\n" + pixels(); }

Result<Image> decode(const std::string& file) {
  return decode_image(std::as_bytes(std::span(file)));
}

TEST(Image, DecodesEveryFormat) {
  for (const auto& [file, tolerance] :
       {std::pair(as_png(), 0), std::pair(as_ppm(), 0), std::pair(as_jpeg(), 12)}) {
    EXPECT_TRUE(is_image(std::as_bytes(std::span(file))));
    const Result<Image> image = decode(file);
    ASSERT_TRUE(image.ok()) << image.status().message();
    EXPECT_EQ(image->height, kHeight);
    EXPECT_EQ(image->width, kWidth);
    const std::string wanted = pixels();
    for (size_t i = 0; i < wanted.size(); ++i) {
      const int want = static_cast<uint8_t>(wanted[i]);
      EXPECT_NEAR(image->pixels.as<uint8_t>()[i], want, tolerance) << i;
    }
  }
}

void put_u32(std::string& to, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to += static_cast<char>(value >> shift & 255U);
}

std::string chunk(const std::string& name, const std::string& data) {
  std::string text;
  put_u32(text, static_cast<uint32_t>(data.size()));
  const std::string body = name + data;
  text += body;
  put_u32(text, static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(body.data()),
                                            static_cast<uInt>(body.size()))));
  return text;
}

// Of one row with these samples of `depth` bits, the first in a byte's highest.
std::string png_of(const std::vector<unsigned>& samples, unsigned width, int depth, int kind,
                   const std::string& chunks) {
  std::string row(1, '\0');
  int left = 0;  // of the last byte
  for (const unsigned sample : samples) {
    for (int bit = depth - 1; bit >= 0; --bit) {
      if (left == 0) row += '\0';
      left = left == 0 ? 7 : left - 1;
      row.back() = static_cast<char>(row.back() | (sample >> bit & 1U) << left);
    }
  }
  std::string head;
  put_u32(head, width);
  put_u32(head, 1);
  head += {static_cast<char>(depth), static_cast<char>(kind), 0, 0, 0};
  uLongf bytes = compressBound(row.size());
  std::string packed(bytes, '\0');
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &bytes,
                     reinterpret_cast<const Bytef*>(row.data()), row.size()),
            Z_OK);
  packed.resize(bytes);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", head) + chunks + chunk("IDAT", packed) +
         chunk("IEND", "");
}

std::string gamma_chunk(uint32_t gamma) {
  std::string data;
  put_u32(data, gamma);
  return chunk("gAMA", data);
}

// Whatever the file says of its colours.
TEST(Image, ASampleOfAPngIsWhatIsStored) {
  const std::string colours[] = {"", gamma_chunk(45455), gamma_chunk(100000), gamma_chunk(55556),
                                 chunk("sRGB", std::string(1, '\0'))};
  constexpr int kKinds[] = {0, 4, 2, 6};  // grey, with alpha, colour, with alpha
  std::mt19937 random(2);
  for (const std::string& colour : colours) {
    for (const int depth : {8, 16}) {
      for (unsigned channels = 1; channels <= 4; ++channels) {
        constexpr unsigned kPixels = 300;
        const double most = depth == 8 ? 255 : 65535;
        std::vector<unsigned> samples(kPixels * channels);
        for (unsigned& sample : samples) sample = random() & (depth == 8 ? 0xffU : 0xffffU);
        const auto image = decode(png_of(samples, kPixels, depth, kKinds[channels - 1], colour));
        ASSERT_TRUE(image.ok()) << image.status().message();
        const auto byte = [&](size_t i) { return std::round(samples[i] * 255.0 / most); };
        for (size_t i = 0; i < size_t{3} * kPixels; ++i) {
          const size_t pixel = i / 3 * channels;
          const double stored = byte(pixel + (channels > 2 ? i % 3 : 0));
          const double alpha = channels % 2 == 0 ? byte(pixel + channels - 1) / 255 : 1;
          const double want = std::round(stored * alpha + 255 * (1 - alpha));
          ASSERT_EQ(image->pixels.as<uint8_t>()[i], want)
              << depth << " bits, channels " << channels << ", at " << i;
        }
      }
    }
  }
}

using Colours = std::vector<std::array<int, 4>>;  // and how opaque, of 255

void expect_on_white(const std::string& file, const Colours& wanted) {
  const Result<Image> image = decode(file);
  ASSERT_TRUE(image.ok()) << image.status().message();
  ASSERT_EQ(image->height * image->width, static_cast<int64_t>(wanted.size()));
  for (size_t i = 0; i < 3 * wanted.size(); ++i) {
    const auto& colour = wanted[i / 3];
    const double alpha = colour[3] / 255.0;
    ASSERT_EQ(image->pixels.as<uint8_t>()[i], std::round(colour[i % 3] * alpha + 255 * (1 - alpha)))
        << "at " << i;
  }
}

TEST(Image, APalettesColoursMayBeTransparent) {
  const Colours palette = {{10, 20, 30, 0}, {200, 100, 0, 77}, {255, 0, 1, 255}, {7, 8, 9, 255}};
  std::string colours, opacities;
  for (const auto& [r, g, b, a] : palette) {
    colours += {static_cast<char>(r), static_cast<char>(g), static_cast<char>(b)};
    if (a != 255) opacities += static_cast<char>(a);  // those that are not named are opaque
  }
  std::mt19937 random(3);
  for (const int depth : {2, 4, 8}) {
    SCOPED_TRACE(depth);
    std::vector<unsigned> samples(77);
    Colours clear, opaque;
    for (unsigned& sample : samples) {
      sample = random() % palette.size();
      clear.push_back(palette[sample]);
      opaque.push_back(palette[sample]);
      opaque.back()[3] = 255;
    }
    const std::string plain = chunk("PLTE", colours);
    expect_on_white(png_of(samples, 77, depth, PNG_COLOR_TYPE_PALETTE, plain), opaque);
    expect_on_white(
        png_of(samples, 77, depth, PNG_COLOR_TYPE_PALETTE, plain + chunk("tRNS", opacities)),
        clear);
  }
}

// One of which may be transparent.
TEST(Image, GreyOfFewBitsGoesFromBlackToWhite) {
  for (const int depth : {1, 2, 4}) {
    SCOPED_TRACE(depth);
    const unsigned most = (1U << depth) - 1, hole = most - 1;
    std::vector<unsigned> samples;
    Colours opaque, clear;
    for (unsigned i = 0; i < 53; ++i) {
      samples.push_back(i * i % 17 & most);
      const int grey = static_cast<int>(samples.back() * 255 / most);
      opaque.push_back({grey, grey, grey, 255});
      clear.push_back({grey, grey, grey, samples.back() == hole ? 0 : 255});
    }
    expect_on_white(png_of(samples, 53, depth, PNG_COLOR_TYPE_GRAY, ""), opaque);
    const std::string one = chunk("tRNS", {'\0', static_cast<char>(hole)});
    expect_on_white(png_of(samples, 53, depth, PNG_COLOR_TYPE_GRAY, one), clear);
  }
}

// All its bits count, those too that are not kept.
TEST(Image, OneColourMayBeTransparent) {
  const std::string one = chunk("tRNS", {'\0', 7, '\0', 8, '\0', 9});
  expect_on_white(png_of({7, 8, 9, 7, 8, 10, 9, 8, 7}, 3, 8, PNG_COLOR_TYPE_RGB, one),
                  {{7, 8, 9, 0}, {7, 8, 10, 255}, {9, 8, 7, 255}});
  const std::string deep = chunk("tRNS", {5, 5, 6, 6, 7, 7});
  expect_on_white(
      png_of({0x505, 0x606, 0x707, 0x505, 0x606, 0x708}, 2, 16, PNG_COLOR_TYPE_RGB, deep),
      {{5, 6, 7, 0}, {5, 6, 7, 255}});
}

// As libpng writes it: in seven passes (Adam7).
std::string interlaced_png(int kind, const std::string& samples) {
  std::string file;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  const auto write = [](png_structp to, png_bytep bytes, size_t count) {
    static_cast<std::string*>(png_get_io_ptr(to))
        ->append(reinterpret_cast<const char*>(bytes), count);
  };
  png_set_write_fn(png, &file, write, [](png_structp) {});
  png_set_IHDR(png, info, kWidth, kHeight, 8, kind, PNG_INTERLACE_ADAM7, PNG_COMPRESSION_TYPE_BASE,
               PNG_FILTER_TYPE_BASE);
  png_write_info(png, info);
  const size_t stride = samples.size() / kHeight;
  for (int pass = png_set_interlace_handling(png); pass > 0; --pass) {
    for (size_t y = 0; y < kHeight; ++y) {
      png_write_row(png, reinterpret_cast<png_const_bytep>(samples.data() + y * stride));
    }
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return file;
}

TEST(Image, AnInterlacedPngIsPutTogether) {
  const std::string rgb = pixels();
  Colours opaque, clear;
  std::string rgba;
  for (size_t i = 0; i < rgb.size(); i += 3) {
    const auto byte = [&](size_t c) { return static_cast<int>(static_cast<uint8_t>(rgb[i + c])); };
    opaque.push_back({byte(0), byte(1), byte(2), 255});
    clear.push_back(opaque.back());
    clear.back()[3] = static_cast<int>(i * 2);
    rgba += rgb.substr(i, 3) + static_cast<char>(clear.back()[3]);
  }
  expect_on_white(interlaced_png(PNG_COLOR_TYPE_RGB, rgb), opaque);
  expect_on_white(interlaced_png(PNG_COLOR_TYPE_RGB_ALPHA, rgba), clear);
}

TEST(Image, PixelRules) {
  EXPECT_EQ(pixel_rule_text(*parse_pixel_rule("bgr,-1..1")), "bgr,-1..1");
  EXPECT_EQ(pixel_rule_text(*parse_pixel_rule("imagenet")), "rgb,imagenet");
  for (const char* bad : {"", "0..2", "rgb,", "grey", "0..1;bgr"}) {
    EXPECT_EQ(parse_pixel_rule(bad).code(), Code::invalid_argument) << bad;
  }
  Image two{1, 2, AlignedBuffer(6)};
  const uint8_t rgb[] = {255, 0, 51, 10, 20, 30};
  std::copy(std::begin(rgb), std::end(rgb), two.pixels.as<uint8_t>());
  const auto values = [&](const ImageLayout& layout, const char* rule) {
    const Result<AlignedBuffer> made = image_tensor(two, layout, *parse_pixel_rule(rule));
    EXPECT_TRUE(made.ok());
    const auto* from = made->as<float>();
    return std::vector<float>(from, from + made->size() / 4);
  };
  EXPECT_EQ(values({}, "0..255"), (std::vector<float>{255, 10, 0, 20, 51, 30}));
  EXPECT_EQ(values({}, "bgr,0..255"), (std::vector<float>{51, 30, 0, 20, 255, 10}));
  EXPECT_EQ(values({.channels_last = true}, "0..255"),
            (std::vector<float>{255, 0, 51, 10, 20, 30}));
  EXPECT_EQ(values({}, "0..1")[4], 0.2F);
  EXPECT_EQ(values({}, "-1..1")[0], 1.0F);
  EXPECT_EQ(values({}, "imagenet")[0], (1.0F - 0.485F) / 0.229F);
  EXPECT_EQ(values({.channels = 1}, "0..255"), (std::vector<float>{82, 18}));  // luma
  EXPECT_EQ(image_tensor(two, {.channels = 1}, *parse_pixel_rule("imagenet")).code(),
            Code::invalid_argument);
  EXPECT_EQ(image_tensor(two, {.channels = 4}, {}).code(), Code::invalid_argument);
}

TEST(Image, SurvivesRandomDamage) {
  const std::string good[] = {as_png(), as_jpeg(), as_ppm()};
  std::mt19937 random(1);
  for (int i = 0; i < 6000; ++i) {
    std::string bad = good[i % 3];
    if (random() % 4 == 0) bad.resize(random() % bad.size());
    for (unsigned change = random() % 6; change > 0 && !bad.empty(); --change) {
      bad[random() % bad.size()] = static_cast<char>(random());
    }
    const std::string exact(bad);
    const Result<Image> image = decode(exact);
    if (image.ok()) {
      EXPECT_EQ(image->pixels.size(), static_cast<size_t>(3 * image->height * image->width));
    } else {
      EXPECT_TRUE(image.code() == Code::invalid_argument ||
                  image.code() == Code::resource_exhausted);
      EXPECT_EQ(image.status().message().find('\n'), std::string::npos);
    }
  }
  EXPECT_EQ(decode("P6 1000000 1000000 255 x").code(), Code::resource_exhausted);
  EXPECT_EQ(decode("P6 0 5 255 x").code(), Code::invalid_argument);
}

}  // namespace
}  // namespace taoism::files
