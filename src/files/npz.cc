#include "files/npz.h"

#include <zlib.h>

#include <algorithm>

#include "base/text.h"
#include "host/memory.h"

namespace taoism::files {
namespace {

constexpr uint32_t kLocal = 0x04034b50;
constexpr uint32_t kCentral = 0x02014b50;
constexpr uint32_t kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50;
constexpr uint32_t kEnd64Locator = 0x07064b50;
constexpr uint64_t kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint64_t kCentralBytes = 46, kLocalBytes = 30;
constexpr uint64_t kMaxCommentBytes = 65535;
constexpr uint16_t kZip64Field = 1;
constexpr uint64_t kIn64 = 0xffffffff;  // "the zip64 field says it"

Status damaged(const char* what) {
  return invalid_argument(std::string("damaged .npz file: ") + what +
                          "; write it with numpy.savez");
}

// Little-endian numbers at positions that the caller has checked.
struct Bytes {
  ConstByteSpan all;
  uint64_t number(uint64_t at, size_t size) const {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      value |= std::to_integer<uint64_t>(all[at + i]) << (8 * i);
    }
    return value;
  }
  uint16_t u16(uint64_t at) const { return static_cast<uint16_t>(number(at, 2)); }
  uint32_t u32(uint64_t at) const { return static_cast<uint32_t>(number(at, 4)); }
  uint64_t u64(uint64_t at) const { return number(at, 8); }
  bool holds(uint64_t at, uint64_t bytes) const {
    return at <= all.size() && bytes <= all.size() - at;
  }
};

struct Directory {
  uint64_t count = 0, bytes = 0, offset = 0;
};

Result<Directory> find_directory(const Bytes& zip) {
  if (zip.all.size() < kEndBytes) return damaged("it is cut short");
  const uint64_t last = zip.all.size() - kEndBytes;
  const uint64_t first = last > kMaxCommentBytes ? last - kMaxCommentBytes : 0;
  for (uint64_t at = last + 1; at-- > first;) {
    if (zip.u32(at) != kEnd || at + kEndBytes + zip.u16(at + 20) != zip.all.size()) continue;
    Directory directory{zip.u16(at + 10), zip.u32(at + 12), zip.u32(at + 16)};
    const bool has_64 = at >= kLocatorBytes && zip.u32(at - kLocatorBytes) == kEnd64Locator;
    if (has_64) {
      const uint64_t end = zip.u64(at - kLocatorBytes + 8);
      if (!zip.holds(end, kEnd64Bytes) || zip.u32(end) != kEnd64) return damaged("its end");
      directory = {zip.u64(end + 32), zip.u64(end + 40), zip.u64(end + 48)};
    }
    if (!zip.holds(directory.offset, directory.bytes) ||
        directory.count > directory.bytes / kCentralBytes) {
      return damaged("its directory");
    }
    return directory;
  }
  return damaged("it is cut short");
}

// Sizes and offset from the zip64 field of a directory entry, where its own are full.
Status read_zip64(const Bytes& zip, uint64_t at, uint64_t bytes, NpzEntry& entry, uint64_t& local) {
  const uint64_t end = at + bytes;
  while (end - at >= 4) {
    const uint16_t id = zip.u16(at);
    uint64_t left = zip.u16(at + 2);
    at += 4;
    if (left > end - at) return damaged("an extra field");
    const uint64_t next = at + left;
    if (id == kZip64Field) {
      for (uint64_t* value : {&entry.bytes, &entry.packed_bytes, &local}) {
        if (*value != kIn64) continue;
        if (left < 8) return damaged("a size");
        *value = zip.u64(at);
        at += 8;
        left -= 8;
      }
      return {};
    }
    at = next;
  }
  return {};
}

Status read_entry(const Bytes& zip, uint64_t at, uint64_t name_bytes, uint64_t extra_bytes,
                  NpzEntry& entry) {
  if ((zip.u16(at + 8) & 1) != 0) return invalid_argument("an encrypted .npz file");
  const uint16_t method = zip.u16(at + 10);
  if (method != 0 && method != 8) {
    return invalid_argument("an .npz file of compression " + std::to_string(method) +
                            "; write it with numpy.savez");
  }
  entry.is_deflated = method == 8;
  entry.crc32 = zip.u32(at + 16);
  entry.packed_bytes = zip.u32(at + 20);
  entry.bytes = zip.u32(at + 24);
  uint64_t local = zip.u32(at + 42);
  const uint64_t name_at = at + kCentralBytes;
  TAOISM_RETURN_IF_ERROR(read_zip64(zip, name_at + name_bytes, extra_bytes, entry, local));
  std::string_view name(reinterpret_cast<const char*>(zip.all.data() + name_at), name_bytes);
  if (name.ends_with(".npy")) name.remove_suffix(4);
  entry.name = printable(name);
  if (!zip.holds(local, kLocalBytes) || zip.u32(local) != kLocal) return damaged("an entry");
  entry.offset = local + kLocalBytes + zip.u16(local + 26) + zip.u16(local + 28);
  if (!zip.holds(entry.offset, entry.packed_bytes)) return damaged("an entry is cut short");
  if (!entry.is_deflated && entry.bytes != entry.packed_bytes) return damaged("a size");
  return {};
}

Status inflate_into(ConstByteSpan packed, ByteSpan to) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return resource_exhausted("out of memory");
  constexpr size_t kMost = size_t{1} << 30;  // of a call: zlib counts in unsigned int
  size_t read = 0, written = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    const size_t in = std::min(packed.size() - read, kMost);
    const size_t out = std::min(to.size() - written, kMost);
    // zlib's input is not const, and it does not write there.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + read));
    stream.avail_in = static_cast<uInt>(in);
    std::byte none{};
    stream.next_out = reinterpret_cast<Bytef*>(out == 0 ? &none : to.data() + written);
    stream.avail_out = static_cast<uInt>(out);
    state = inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += out - stream.avail_out;
  }
  (void)inflateEnd(&stream);
  return state == Z_STREAM_END && written == to.size() ? Status() : damaged("an entry's data");
}

}  // namespace

bool is_npz(ConstByteSpan bytes) {
  const Bytes zip{bytes};
  return bytes.size() >= 4 && (zip.u32(0) == kLocal || zip.u32(0) == kEnd);
}

Result<std::vector<NpzEntry>> parse_npz(ConstByteSpan bytes) {
  const Bytes zip{bytes};
  TAOISM_ASSIGN_OR_RETURN(const Directory directory, find_directory(zip));
  std::vector<NpzEntry> entries;
  const uint64_t end = directory.offset + directory.bytes;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.count; ++i) {
    if (end - at < kCentralBytes || zip.u32(at) != kCentral) return damaged("its directory");
    const uint64_t name_bytes = zip.u16(at + 28), extra_bytes = zip.u16(at + 30);
    const uint64_t all = kCentralBytes + name_bytes + extra_bytes + zip.u16(at + 32);
    if (all > end - at) return damaged("its directory");
    NpzEntry entry;
    TAOISM_RETURN_IF_ERROR(read_entry(zip, at, name_bytes, extra_bytes, entry));
    const bool is_known = std::any_of(entries.begin(), entries.end(),
                                      [&](const NpzEntry& e) { return e.name == entry.name; });
    if (is_known) return damaged("a name twice");
    entries.push_back(std::move(entry));
    at += all;
  }
  return entries;
}

Result<std::vector<std::byte>> unpack_npz(ConstByteSpan bytes, const NpzEntry& entry,
                                          uint64_t most_bytes) {
  if (entry.bytes > most_bytes) {
    return resource_exhausted("'" + entry.name + "' is larger than " +
                              std::to_string(most_bytes >> 30) + " GiB");
  }
  const ConstByteSpan packed = bytes.subspan(entry.offset, entry.packed_bytes);
  // Deflate packs at most 1032 to 1: nothing is allocated for a size that cannot be.
  constexpr uint64_t kMostRatio = 1032;
  if (entry.is_deflated && entry.bytes / kMostRatio > packed.size()) return damaged("a size");
  TAOISM_RETURN_IF_ERROR(host::check_memory(entry.bytes));
  std::vector<std::byte> plain(entry.bytes);
  if (entry.is_deflated) {
    TAOISM_RETURN_IF_ERROR(inflate_into(packed, plain));
  } else {
    std::copy(packed.begin(), packed.end(), plain.begin());
  }
  const auto sum = crc32_z(0, reinterpret_cast<const Bytef*>(plain.data()), plain.size());
  if (static_cast<uint32_t>(sum) != entry.crc32) return damaged("an entry's checksum");
  return plain;
}

}  // namespace taoism::files
