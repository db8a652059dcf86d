#include "files/png_file.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <string>

#include "base/text.h"
#include "host/memory.h"

namespace taoism::files {
namespace {

struct Source {
  ConstByteSpan left;
  char why[96] = "no memory";
};

struct Header {
  uint32_t height = 0, width = 0;
  bool has_alpha = false;
  int passes = 1;
};

void read_bytes(png_structp png, png_bytep to, size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (source->left.size() < count) png_error(png, "it is cut short");
  std::memcpy(to, source->left.data(), count);
  source->left = source->left.subspan(count);
}

[[noreturn]] void on_error(png_structp png, png_const_charp why) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  const size_t length = std::min(std::strlen(why), sizeof(source->why) - 1);
  std::memcpy(source->why, why, length);
  source->why[length] = '\0';
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

// These two are left by longjmp: nothing in them has a destructor.
bool read_header(png_structp png, png_infop info, Header& header) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  // All chunks that do not hold pixels, those of colour management too, are left out.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png, info);
  header.height = png_get_image_height(png, info);
  header.width = png_get_image_width(png, info);
  png_set_expand(png);    // a palette, few bits, the colour that is transparent
  png_set_scale_16(png);  // rounded, where the other way cuts
  png_set_gray_to_rgb(png);
  header.passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  header.has_alpha = png_get_channels(png, info) == 4;
  const size_t pixel = header.has_alpha ? 4 : 3;
  if (png_get_rowbytes(png, info) != pixel * header.width) png_error(png, "its kind of pixels");
  return true;
}

// Row y at `rows` + y * stride.
bool read_rows(png_structp png, const Header& header, uint8_t* rows, size_t stride) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  for (int pass = 0; pass < header.passes; ++pass) {
    for (uint32_t y = 0; y < header.height; ++y) png_read_row(png, rows + y * stride, nullptr);
  }
  png_read_end(png, nullptr);
  return true;
}

// On white, rounded.
void compose(const uint8_t* rgba, size_t pixels, uint8_t* rgb) {
  for (size_t i = 0; i < pixels; ++i) {
    const uint32_t alpha = rgba[4 * i + 3];
    for (size_t c = 0; c < 3; ++c) {
      const uint32_t sum = alpha * rgba[4 * i + c] + (255 - alpha) * 255;
      rgb[3 * i + c] = static_cast<uint8_t>((sum + 127) / 255);
    }
  }
}

struct Reader {
  Source source;
  png_structp png = nullptr;
  png_infop info = nullptr;
  explicit Reader(ConstByteSpan bytes) : source{bytes} {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    if (png != nullptr) png_set_read_fn(png, &source, read_bytes);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }

  Status failed() const { return invalid_argument("damaged PNG file: " + printable(source.why)); }
};

}  // namespace

Result<Image> decode_png(ConstByteSpan bytes, Result<Image> (*blank)(int64_t, int64_t)) {
  Reader reader(bytes);
  if (reader.info == nullptr) return resource_exhausted("no memory for a PNG decoder");
  Header header;
  if (!read_header(reader.png, reader.info, header)) return reader.failed();
  TAOISM_ASSIGN_OR_RETURN(Image image, blank(header.height, header.width));
  uint8_t* const rgb = image.pixels.as<uint8_t>();
  const size_t pixels = size_t{header.height} * header.width;
  if (!header.has_alpha) {
    if (!read_rows(reader.png, header, rgb, size_t{3} * header.width)) return reader.failed();
    return image;
  }
  TAOISM_ASSIGN_OR_RETURN(AlignedBuffer rgba, host::take_memory(4 * pixels));
  auto* const rows = rgba.as<uint8_t>();
  if (!read_rows(reader.png, header, rows, size_t{4} * header.width)) return reader.failed();
  compose(rows, pixels, rgb);
  return image;
}

}  // namespace taoism::files
