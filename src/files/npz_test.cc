#include "files/npz.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <string>

#include "files/npy.h"
#include "files/output_file.h"
#include "files/tensor_file.h"

namespace taoism::files {
namespace {

std::string number(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string deflated(const std::string& plain) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  (void)deflateEnd(&stream);
  return packed;
}

// An archive as NumPy writes it: `wide` with zip64's fields, as it does for large arrays.
std::string archive(const std::vector<std::pair<std::string, std::string>>& files, bool packed,
                    bool wide) {
  std::string out, directory;
  for (const auto& [name, plain] : files) {
    const std::string data = packed ? deflated(plain) : plain;
    const auto sum = crc32_z(0, reinterpret_cast<const Bytef*>(plain.data()), plain.size());
    const std::string sizes = number(data.size(), 4) + number(plain.size(), 4);
    const std::string method = number(packed ? 8 : 0, 2);
    const uint64_t offset = out.size();
    out += number(0x04034b50, 4) + number(20, 2) + number(0, 2) + method + number(0, 4) +
           number(sum, 4) + sizes + number(name.size(), 2) + number(0, 2) + name + data;
    const std::string wider = wide ? number(1, 2) + number(24, 2) + number(plain.size(), 8) +
                                         number(data.size(), 8) + number(offset, 8)
                                   : "";
    directory += number(0x02014b50, 4) + number(20, 2) + number(20, 2) + number(0, 2) + method +
                 number(0, 4) + number(sum, 4) + (wide ? std::string(8, '\xff') : sizes) +
                 number(name.size(), 2) + number(wider.size(), 2) + number(0, 2) + number(0, 2) +
                 number(0, 2) + number(0, 4) + (wide ? std::string(4, '\xff') : number(offset, 4)) +
                 name + wider;
  }
  const std::string counts = number(files.size(), 2) + number(files.size(), 2);
  return out + directory + number(0x06054b50, 4) + number(0, 4) + counts +
         number(directory.size(), 4) + number(out.size(), 4) + number(0, 2);
}

ConstByteSpan bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string array_of(float value) {
  const ir::TensorDesc desc{ir::DType::f32, {300}};
  std::string npy = npy_header(desc);
  for (size_t i = 0; i < 300; ++i) {
    npy += std::string(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return npy;
}

TEST(Npz, ReadsWhatNumpyWrites) {
  for (const bool packed : {false, true}) {
    for (const bool wide : {false, true}) {
      const std::string path = testing::TempDir() + "npz_test.npz";
      ASSERT_TRUE(write_file(path, archive({{"ids.npy", array_of(1)}, {"mask.npy", array_of(2)}},
                                           packed, wide))
                      .ok());
      EXPECT_TRUE(is_npz_file(path));
      const Result<std::vector<NamedTensor>> read = read_npz(path);
      ASSERT_TRUE(read.ok()) << read.status().message();
      ASSERT_EQ(read->size(), 2U);
      EXPECT_EQ((*read)[1].name, "mask");
      EXPECT_EQ((*read)[1].tensor.desc.shape, (ir::Shape{300}));
      EXPECT_EQ((*read)[1].tensor.data.as<float>()[299], 2.0F);
      EXPECT_EQ(read_tensor(path).code(), Code::invalid_argument);  // which of them?
      (void)std::remove(path.c_str());
    }
  }
}

TEST(Npz, RefusesWhatIsDamaged) {
  const std::string good = archive({{"a.npy", array_of(1)}}, true, false);
  const auto refused = [](const std::string& bad) {
    const auto entries = parse_npz(bytes_of(bad));
    if (!entries.ok()) return entries.code() == Code::invalid_argument;
    for (const NpzEntry& entry : *entries) {
      const auto plain = unpack_npz(bytes_of(bad), entry, 1 << 20);
      if (!plain.ok()) return plain.code() == Code::invalid_argument;
    }
    return false;
  };
  EXPECT_FALSE(refused(good));
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused(good.substr(0, good.size() - 1)));
  EXPECT_TRUE(refused(good.substr(4)));
  std::string other_sum = good;
  other_sum[good.find("PK\x01\x02") + 16] ^= 1;
  EXPECT_TRUE(refused(other_sum));
  EXPECT_TRUE(refused(archive({{"a.npy", "x"}, {"a.npy", "y"}}, false, false)));
  const auto entries = parse_npz(bytes_of(good));
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(unpack_npz(bytes_of(good), entries->front(), 100).code(), Code::resource_exhausted);
}

TEST(Npz, SurvivesRandomDamage) {
  const std::string plain = archive({{"a.npy", array_of(1)}, {"b.npy", "short"}}, false, true);
  const std::string packed = archive({{"a.npy", array_of(1)}, {"b.npy", "short"}}, true, false);
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string bad = i % 2 == 0 ? plain : packed;
    if (random() % 4 == 0) bad.resize(random() % bad.size());
    for (unsigned change = random() % 6; change > 0 && !bad.empty(); --change) {
      // The directory and the end are where the structure is.
      const size_t back = std::min<size_t>(bad.size(), random() % 2 == 0 ? 250 : bad.size());
      bad[bad.size() - 1 - random() % back] = static_cast<char>(random());
    }
    const std::string exact(bad);  // its own allocation, so that a sanitizer sees an overrun
    const auto entries = parse_npz(bytes_of(exact));
    if (!entries.ok()) continue;
    for (const NpzEntry& entry : *entries) {
      const auto data = unpack_npz(bytes_of(exact), entry, 1 << 20);
      EXPECT_TRUE(!data.ok() || data->size() == entry.bytes);
    }
  }
}

}  // namespace
}  // namespace taoism::files
