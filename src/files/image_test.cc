#include "files/image.h"

#include <gtest/gtest.h>
#include <png.h>
#include <turbojpeg.h>

#include <random>
#include <string>

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
