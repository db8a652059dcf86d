// A table of short texts, as aligned columns or as Markdown. Thread-safety: a value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace taoism::report {

class Table {
 public:
  enum Align : uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = right;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as there are columns.
  void add_row(std::vector<std::string> cells);

  // Every line ends with a newline. Widths count code points, not bytes.
  std::string text() const;
  std::string markdown() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace taoism::report
