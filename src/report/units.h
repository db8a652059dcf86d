// Numbers as a reader wants them. Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace taoism::report {

std::string significant(double value);   // three digits: "0.0123", "1.23", "123", "12300"
std::string percent(double share);       // "0 %" and "100 %" only when it is exactly that
std::string bytes_text(uint64_t bytes);  // "512 B", "1.5 KiB", "44.7 MiB"
std::string count_text(uint64_t count);  // "512", "11.2 M", "1.82 G"

}  // namespace taoism::report
