#include "kernels/copy.h"

#include <algorithm>

#include "kernels/kernel_test_support.h"

namespace taoism::kernels {
namespace {

int64_t offset_of(int64_t index, const CopyShape& s, const int64_t* strides) {
  int64_t offset = 0;
  for (int i = s.rank - 1; i >= 0; --i) {
    offset += index % s.dims[i] * strides[i];
    index /= s.dims[i];
  }
  return offset;
}

template <typename T>
void check(const CopyShape& s, const std::vector<T>& source, int64_t source_first,
           size_t target_size) {
  int64_t count = 1;
  for (int i = 0; i < s.rank; ++i) count *= s.dims[i];
  std::vector<T> want(target_size, 0);
  for (int64_t i = 0; i < count; ++i) {
    want[offset_of(i, s, s.target_strides)] =
        source[source_first + offset_of(i, s, s.source_strides)];
  }
  for (size_t threads : {1, 2}) {
    TestParallel parallel(threads);
    std::vector<T> got(target_size, 0);
    copy_strided(s, sizeof(T), source.data() + source_first, got.data(), parallel);
    ASSERT_EQ(got, want);
  }
}

template <typename T>
void check_random(Random& random) {
  CopyShape s;
  s.rank = static_cast<int>(random.integer(0, 5));
  int64_t count = 1;
  for (int i = 0; i < s.rank; ++i) s.dims[i] = random.integer(1, 9);
  for (int i = s.rank - 1; i >= 0; --i) {
    s.target_strides[i] = count;
    count *= s.dims[i];
  }
  // A transposed source, some of whose dimensions are repeated or walked backwards.
  std::vector<int> order(static_cast<size_t>(s.rank));
  for (int i = 0; i < s.rank; ++i) order[i] = i;
  for (int i = s.rank - 1; i > 0; --i) std::swap(order[i], order[random.integer(0, i)]);
  int64_t elements = 1;
  int64_t first = 0;
  for (int i : order) {
    const int64_t kind = random.integer(0, 5);
    s.source_strides[i] = kind == 0 ? 0 : (kind == 1 ? -elements : elements);
    if (kind == 1) first += (s.dims[i] - 1) * elements;
    elements *= s.dims[i];
  }
  std::vector<T> source(static_cast<size_t>(elements));
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<T>(i + 1);
  check(s, source, first, static_cast<size_t>(count));
}

TEST(Copy, EqualsReferenceOnRandomShapes) {
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    check_random<float>(random);
    check_random<int64_t>(random);
  }
}

TEST(Copy, LargeTransposition) {
  CopyShape s;
  s.rank = 3;
  s.dims[0] = 2;
  s.dims[1] = 300;
  s.dims[2] = 210;
  s.source_strides[0] = s.target_strides[0] = 300 * 210;
  s.source_strides[1] = 1;
  s.source_strides[2] = 300;
  s.target_strides[1] = 210;
  s.target_strides[2] = 1;
  Random random(2);
  check(s, random.floats(2 * 300 * 210), 0, 2 * 300 * 210);
}

TEST(Copy, NothingToCopy) {
  CopyShape s;
  s.rank = 2;
  s.dims[0] = 4;
  SerialParallel parallel;
  copy_strided(s, 4, nullptr, nullptr, parallel);
}

TEST(Copy, FillsARegion) {
  CopyShape s;
  s.rank = 2;
  s.dims[0] = 3;
  s.dims[1] = 4;
  s.target_strides[0] = 10;
  s.target_strides[1] = 2;
  SerialParallel parallel;
  std::vector<float> got(30, 0.0f);
  const float value = 7.0f;
  fill_strided(s, sizeof(float), &value, got.data(), parallel);
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i], i % 10 < 8 && i % 2 == 0 ? 7.0f : 0.0f);
  }
}

}  // namespace
}  // namespace taoism::kernels
