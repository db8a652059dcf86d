#include "files/idx.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "files/output_file.h"
#include "files/tensor_file.h"

namespace taoism::files {
namespace {

ConstByteSpan bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// 2 images of 1x3 pixels.
std::string images() {
  return std::string("\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x03", 16) +
         std::string("\0\x33\xff\0\0\xff", 6);
}

TEST(Idx, ReadsShapeAndOffset) {
  Result<IdxLayout> layout = parse_idx(bytes_of(images()));
  ASSERT_TRUE(layout.ok()) << layout.status().message();
  EXPECT_EQ(layout->desc.shape, (ir::Shape{2, 1, 3}));
  EXPECT_EQ(layout->data_offset, 16U);
}

TEST(Idx, RefusesTruncationAndNoise) {
  std::string good = images();
  for (size_t n = 0; n < good.size(); ++n)
    EXPECT_FALSE(parse_idx(bytes_of(good.substr(0, n))).ok()) << n;
  EXPECT_FALSE(parse_idx(bytes_of(good + "x")).ok());
  std::mt19937 random(7);
  for (int i = 0; i < 5000; ++i) {
    std::string bad = good;
    bad[random() % bad.size()] = static_cast<char>(random());
    std::string exact(bad);
    Result<IdxLayout> layout = parse_idx(bytes_of(exact));
    if (layout.ok()) {
      EXPECT_EQ(layout->data_offset + layout->desc.bytes(), exact.size());
    }
  }
}

TEST(Idx, ScalesImagesFromPlainAndGzip) {
  std::string plain = testing::TempDir() + "idx_test.idx";
  std::string packed = plain + ".gz";
  ASSERT_TRUE(write_file(plain, images()).ok());
  gzFile gz = gzopen(packed.c_str(), "wb");
  ASSERT_EQ(gzwrite(gz, images().data(), 22), 22);
  ASSERT_EQ(gzclose(gz), Z_OK);
  for (const std::string& path : {plain, packed}) {
    Result<Tensor> tensor = read_tensor(path);
    ASSERT_TRUE(tensor.ok()) << tensor.status().message();
    EXPECT_EQ(tensor->desc.shape, (ir::Shape{2, 1, 3}));
    const Tensor scaled = std::move(*scale_bytes(*tensor));
    EXPECT_FLOAT_EQ(scaled.data.as<float>()[1], 0.2F);
    EXPECT_FLOAT_EQ(scaled.data.as<float>()[2], 1.0F);
  }
  ASSERT_EQ(truncate(packed.c_str(), 25), 0);
  EXPECT_FALSE(read_tensor(packed).ok());
  EXPECT_FALSE(read_labels(plain).ok());  // not one a row
  (void)std::remove(plain.c_str());
  (void)std::remove(packed.c_str());
}

TEST(Idx, EveryElementType) {
  const std::string path = testing::TempDir() + "idx_test_types.idx";
  const auto read = [&](char code, const std::string& data) {
    const std::string header = std::string("\0\0", 2) + code + std::string("\x01\0\0\0\x02", 5);
    EXPECT_TRUE(write_file(path, header + data).ok());
    Result<Tensor> tensor = read_tensor(path);
    EXPECT_TRUE(tensor.ok()) << tensor.status().message();
    return std::move(*tensor);
  };
  const Tensor bytes = read(0x09, "\xff\x02");
  EXPECT_EQ(bytes.desc.dtype, ir::DType::i8);
  EXPECT_EQ(bytes.data.as<int8_t>()[0], -1);
  EXPECT_EQ(read(0x0B, std::string("\x80\x01\0\0", 4)).data.as<int16_t>()[0], -32767);
  EXPECT_EQ(read(0x0C, std::string("\0\0\1\0\x80\0\0\0", 8)).data.as<int32_t>()[0], 256);
  EXPECT_EQ(read(0x0D, std::string("\x3f\xc0\0\0\0\0\0\0", 8)).data.as<float>()[0], 1.5F);
  const std::string doubles("\x3f\xf8\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
  EXPECT_EQ(read(0x0E, doubles).data.as<double>()[0], 1.5);
  EXPECT_FALSE(parse_idx(std::as_bytes(std::span("\0\0\x0a\x01\0\0\0", 8))).ok());
  (void)std::remove(path.c_str());
}

TEST(Idx, LabelsAreBytes) {
  std::string path = testing::TempDir() + "idx_test_labels.idx";
  ASSERT_TRUE(write_file(path, std::string("\0\0\x08\x01\0\0\0\x03\x09\x00\x05", 11)).ok());
  Result<std::vector<int64_t>> labels = read_labels(path);
  ASSERT_TRUE(labels.ok()) << labels.status().message();
  EXPECT_EQ(*labels, (std::vector<int64_t>{9, 0, 5}));
  (void)std::remove(path.c_str());
}

}  // namespace
}  // namespace taoism::files
