#include "report/table.h"

#include <algorithm>

#include "base/status.h"

namespace taoism::report {
namespace {

size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string padded(const std::string& text, size_t width, Table::Align align) {
  std::string space(width - std::min(width, width_of(text)), ' ');
  return align == Table::left ? text + space : space + text;
}

void end_line(std::string& out) {
  while (!out.empty() && out.back() == ' ') out.pop_back();
  out += '\n';
}

}  // namespace

void Table::add_row(std::vector<std::string> cells) {
  TAOISM_CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = width_of(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, width_of(row[c]));
    widths.push_back(width);
  }
  std::string out;
  for (size_t c = 0; c < columns_.size(); ++c) {
    out += (c > 0 ? "  " : "") + padded(columns_[c].title, widths[c], columns_[c].align);
  }
  end_line(out);
  for (const auto& row : rows_) {
    for (size_t c = 0; c < columns_.size(); ++c) {
      out += (c > 0 ? "  " : "") + padded(row[c], widths[c], columns_[c].align);
    }
    end_line(out);
  }
  return out;
}

std::string Table::markdown() const {
  std::string out = "|";
  for (const Column& column : columns_) out += " " + column.title + " |";
  out += "\n|";
  for (const Column& column : columns_) out += column.align == left ? " --- |" : " ---: |";
  out += '\n';
  for (const auto& row : rows_) {
    out += "|";
    for (const std::string& cell : row) {
      out += ' ';
      for (char c : cell) out += c == '|' ? std::string("\\|") : std::string(1, c);
      out += " |";
    }
    out += '\n';
  }
  return out;
}

}  // namespace taoism::report
