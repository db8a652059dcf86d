#include "report/units.h"

#include <gtest/gtest.h>

#include "report/table.h"

namespace taoism::report {
namespace {

TEST(Units, ThreeDigits) {
  EXPECT_EQ(significant(0), "0");
  EXPECT_EQ(significant(0.012345), "0.0123");
  EXPECT_EQ(significant(1.2345), "1.23");
  EXPECT_EQ(significant(123.45), "123");
  EXPECT_EQ(significant(12345), "12345");
}

TEST(Units, PercentKeepsTheEndsExact) {
  EXPECT_EQ(percent(0), "0 %");
  EXPECT_EQ(percent(1), "100 %");
  EXPECT_EQ(percent(1e-9), "<0.01 %");
  EXPECT_EQ(percent(0.9999), ">99.9 %");
  EXPECT_EQ(percent(0.1234), "12.3 %");
}

TEST(Units, BytesAndCounts) {
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(1536), "1.50 KiB");
  EXPECT_EQ(count_text(512), "512");
  EXPECT_EQ(count_text(1818533898), "1.82 G");
}

TEST(Table, AlignsByCodePointAndEscapesMarkdown) {
  Table table({{"name", Table::left}, {"n"}});
  table.add_row({"a±b", "1"});
  table.add_row({"c|d", "22"});
  EXPECT_EQ(table.text(), "name   n\na±b    1\nc|d   22\n");
  EXPECT_EQ(table.markdown(), "| name | n |\n| --- | ---: |\n| a±b | 1 |\n| c\\|d | 22 |\n");
}

}  // namespace
}  // namespace taoism::report
