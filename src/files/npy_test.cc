#include "files/npy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "files/output_file.h"
#include "files/tensor_file.h"

namespace taoism::files {
namespace {

ConstByteSpan bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string file_of(const std::string& dict, size_t data_bytes) {
  std::string header = "\x93NUMPY";
  header += '\x01';
  header += '\x00';
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict + std::string(data_bytes, '\0');
}

TEST(Npy, HeaderReadsBack) {
  for (const ir::Shape& shape :
       {ir::Shape{}, ir::Shape{3}, ir::Shape{2, 3}, ir::Shape{1, 3, 224, 224}, ir::Shape{0, 4}}) {
    for (ir::DType dtype : {ir::DType::f32, ir::DType::f64, ir::DType::i64, ir::DType::u8}) {
      ir::TensorDesc desc{dtype, shape};
      std::string header = npy_header(desc);
      EXPECT_EQ(header.size() % kAlignment, 0U);
      Result<NpyLayout> layout = parse_npy(bytes_of(header + std::string(desc.bytes(), 'x')));
      ASSERT_TRUE(layout.ok()) << layout.status().message();
      EXPECT_EQ(layout->desc, desc);
      EXPECT_EQ(layout->data_offset, header.size());
    }
  }
}

TEST(Npy, RefusesWithTheMend) {
  struct Case {
    std::string file;
    std::string says;
  };
  const Case cases[] = {
      {"", ".npz"},
      {"\x93NUMPY", "truncated"},
      {std::string("\x93NUMPY\x09\x00\x02\x00{}00", 14), "version 9"},
      {file_of("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", 4), "big-endian"},
      {file_of("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8),
       "astype('float32')"},
      {file_of("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", 4), "ascontiguousarray"},
      {file_of("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4), "fields"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 4), "truncated"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 8), "after the end"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4), "damaged"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 4),
       "damaged"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 4),
       "too large"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4),
       "more than 8 dimensions"},
      {file_of("{'descr': '<f4', 'shape': (1,), }", 4), "damaged"},
      {file_of("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4),
       "damaged"},
      {file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} trailing", 4), "damaged"},
      {file_of("{'descr", 4), "damaged"},
  };
  for (const Case& c : cases) {
    Result<NpyLayout> layout = parse_npy(bytes_of(c.file));
    ASSERT_FALSE(layout.ok()) << c.says;
    EXPECT_EQ(layout.code(), Code::invalid_argument);
    EXPECT_NE(layout.status().message().find(c.says), std::string::npos)
        << layout.status().message();
  }
}

// Whatever is accepted lies inside the bytes that were given.
TEST(Npy, SurvivesTruncationAndNoise) {
  ir::TensorDesc desc{ir::DType::f32, {2, 3}};
  std::string good = npy_header(desc) + std::string(desc.bytes(), 'x');
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(parse_npy(bytes_of(good.substr(0, n))).ok()) << n;
  }
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string bad = good;
    for (size_t flips = 1 + random() % 4; flips > 0; --flips) {
      bad[random() % bad.size()] = static_cast<char>(random());
    }
    std::string exact(bad);  // its own allocation, so that a sanitizer sees an overrun
    Result<NpyLayout> layout = parse_npy(bytes_of(exact));
    if (layout.ok()) {
      EXPECT_EQ(layout->data_offset + layout->desc.bytes(), exact.size());
    }
  }
}

TEST(Npy, FilesThatAreNotThereAreNamed) {
  const std::string path = testing::TempDir() + "npy_test.none";
  const Result<Tensor> tensor = read_tensor(path);
  EXPECT_EQ(tensor.code(), Code::not_found);
  EXPECT_NE(tensor.status().message().find(path), std::string::npos);
}

TEST(Raw, TheOpenDimensionIsWhatTheFileHolds) {
  const std::string path = testing::TempDir() + "npy_test.bin";
  ASSERT_TRUE(write_file(path, std::string(24, 'a')).ok());
  const Result<Tensor> tensor = read_raw(path, {ir::DType::f32, {ir::Shape::kDynamic, 3}});
  ASSERT_TRUE(tensor.ok()) << tensor.status().message();
  EXPECT_EQ(tensor->desc.shape, (ir::Shape{2, 3}));
  EXPECT_EQ(std::memcmp(tensor->data.data(), "aaaa", 4), 0);
  EXPECT_TRUE(read_raw(path, {ir::DType::u8, {24}}).ok());
  for (const ir::TensorDesc& bad :
       {ir::TensorDesc{ir::DType::f32, {5}},
        ir::TensorDesc{ir::DType::f64, {ir::Shape::kDynamic, 2}},
        ir::TensorDesc{ir::DType::u8, {ir::Shape::kDynamic, 0}},
        ir::TensorDesc{ir::DType::u8, {ir::Shape::kDynamic, -1}},
        ir::TensorDesc{ir::DType::u8, {int64_t{1} << 40}}, ir::TensorDesc{ir::DType::f32, {}}}) {
    const Result<Tensor> refused = read_raw(path, bad);
    EXPECT_EQ(refused.code(), Code::invalid_argument);
    EXPECT_NE(refused.status().message().find("--input-shape"), std::string::npos);
  }
  (void)std::remove(path.c_str());
}

}  // namespace
}  // namespace taoism::files
