#include "inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/text.h"
#include "files/convert.h"
#include "files/image.h"
#include "flags.h"

namespace taoism::cli {
namespace {

// "NAME=value", or a value for the model's only input.
Result<std::pair<std::string, std::string>> split_name(const std::string& text,
                                                       std::span<const onnx::DeclaredInput> inputs,
                                                       const char* flag) {
  const size_t equals = text.rfind('=');  // no value has one
  if (equals != std::string::npos && equals > 0) {
    return std::pair(text.substr(0, equals), text.substr(equals + 1));
  }
  if (inputs.size() == 1) return std::pair(inputs[0].name, text);
  return invalid_argument(
      fmt::format("{} {}: the model has several inputs; write NAME={}", flag, text, text));
}

bool fits(const onnx::DeclaredInput& input, const ir::Shape& shape, size_t first = 0) {
  if (!input.has_shape) return true;
  if (input.dims.size() != shape.rank()) return false;
  for (size_t i = first; i < shape.rank(); ++i) {
    if (input.dims[i] >= 0 && input.dims[i] != shape[i]) return false;
  }
  return true;
}

// So many times the rows that the model fixes.
bool has_more_rows(const onnx::DeclaredInput& input, const ir::Shape& shape) {
  return input.has_shape && shape.rank() > 0 && fits(input, shape, 1) && input.dims[0] > 0 &&
         shape[0] > input.dims[0] && shape[0] % input.dims[0] == 0;
}

// Images of bytes, [N, height, width], as the input has them: with a channel of its own, or with a
// row's elements in another shape.
void reshape_images(const onnx::DeclaredInput& input, ir::Shape& shape) {
  if (!input.has_shape || fits(input, shape) || shape.rank() == 0) return;
  const size_t rank = input.dims.size();
  if (rank == 0 || rank > ir::kMaxRank) return;
  ir::Shape wanted(input.dims);
  wanted[0] = shape[0];
  if (wanted.is_static()) {
    if (wanted.is_bounded() && wanted.elements() == shape.elements()) shape = wanted;
  } else if (rank == 4 && shape.rank() == 3) {
    const ir::Shape channel_first{shape[0], 1, shape[1], shape[2]};
    const ir::Shape channel_last{shape[0], shape[1], shape[2], 1};
    shape = fits(input, channel_first) ? channel_first : channel_last;
  }
}

std::string wanted_text(const onnx::DeclaredInput& input) {
  return "the model's input '" + input.name + "' is " + input.dtype + " " + input.shape_text();
}

}  // namespace

Result<std::pair<std::string, ir::Shape>> parse_input_shape(const std::string& text) {
  Status bad = invalid_argument("--input-shape '" + text + "'; write NAME=1x3x224x224");
  size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) return bad;
  ir::Shape shape, bounded;
  const char* at = text.data() + equals + 1;
  const char* end = text.data() + text.size();
  while (true) {
    int64_t dim = 0;
    const bool is_open = at != end && (*at == 'N' || *at == '?');
    auto [next, error] =
        is_open ? std::from_chars_result{at + 1, std::errc()} : std::from_chars(at, end, dim);
    if (error != std::errc() || dim < 0 || shape.rank() == ir::kMaxRank) return bad;
    shape.push_back(is_open ? ir::Shape::kDynamic : dim);
    bounded.push_back(is_open ? 1 : dim);
    if (next == end) break;
    if (*next != 'x') return bad;
    at = next + 1;
  }
  if (!bounded.is_bounded()) return bad;
  return std::pair(text.substr(0, equals), shape);
}

std::string shape_hint(const onnx::DeclaredInput& input) {
  if (!input.has_shape || input.dims.empty()) return "1x3x224x224";
  constexpr size_t kMostLetters = 8;  // some exporters write whole sentences
  std::string text;
  for (size_t i = 0; i < input.dims.size(); ++i) {
    const std::string name = printable(input.dim_names[i]);
    const bool is_short = !name.empty() && name.size() <= kMostLetters &&
                          std::all_of(name.begin(), name.end(), [](unsigned char c) {
                            return std::isalpha(c) != 0 || c == '_';
                          });
    text += i > 0 ? "x" : "";
    text += input.dims[i] >= 0 ? std::to_string(input.dims[i])
            : is_short         ? name
            : i == 0           ? "N"
                               : "?";
  }
  return text;
}

Result<std::vector<NamedPath>> match_paths(const std::vector<std::string>& texts,
                                           const std::vector<std::string>& names,
                                           const char* flag) {
  // A name may be written as messages show it.
  const auto find = [&](const std::string& text) {
    return std::find_if(names.begin(), names.end(), [&](const std::string& name) {
      return name == text || printable(name) == text;
    });
  };
  const std::string list = fmt::format("{}", fmt::join(names, ", "));
  std::vector<NamedPath> paths;
  for (const std::string& text : texts) {
    NamedPath path{"", text};
    // The longest name that there is.
    for (size_t equals = text.find('='); equals != std::string::npos;
         equals = text.find('=', equals + 1)) {
      const auto name = find(text.substr(0, equals));
      if (name != names.end()) path = {*name, text.substr(equals + 1)};
    }
    if (path.name.empty() && names.size() != 1) {
      return invalid_argument(fmt::format(
          "{} {}: the model has several; write NAME={} with one of: {}", flag, text, text, list));
    }
    if (path.name.empty()) path.name = names.front();
    for (const NamedPath& other : paths) {
      if (other.name != path.name) continue;
      return invalid_argument(fmt::format("{}: '{}' twice", flag, path.name));
    }
    paths.push_back(std::move(path));
  }
  return paths;
}

void InputFlags::declare(CLI::App& app, const char* what) {
  reads_named(app.add_option("-i,--input", files, what));
  app.add_option("--input-shape", shapes,
                 "NAME=1x3x224x224 for dimensions that the model leaves open (N: leave it so), and "
                 "for raw files");
  app.add_option("--input-type", types,
                 "NAME=uint8: a raw file's element type; default: the input's");
  app.add_flag("--convert", convert,
               "take inputs of another element type, where every value stays what it is");
  app.add_option(
         "--pixels", pixels,
         "what the bytes of pictures become: 0..1, -1..1, 0..255 or imagenet, and rgb or bgr; "
         "of IDX the first three")
      ->capture_default_str();
}

const char* InputFlags::given() const {
  if (!files.empty()) return "--input";
  if (!shapes.empty()) return "--input-shape";
  if (!types.empty()) return "--input-type";
  return convert ? "--convert" : nullptr;
}

namespace {

class Reader {
 public:
  Reader(const InputFlags& flags, std::span<const onnx::DeclaredInput> inputs)
      : flags_(flags), inputs_(inputs) {}

  Result<ReadInputs> run() {
    TAOISM_RETURN_IF_ERROR(parse_shapes());
    TAOISM_RETURN_IF_ERROR(parse_types());
    Result<files::PixelRule> rule = files::parse_pixel_rule(flags_.pixels);
    if (!rule.ok()) return rule.status().annotate("--pixels");
    rule_ = *rule;
    std::vector<std::string> names;
    for (const onnx::DeclaredInput& input : inputs_) names.push_back(input.name);
    read_.tensors.resize(inputs_.size());
    // An archive without a name may hold several inputs.
    std::vector<std::string> single;
    for (const std::string& text : flags_.files) {
      if (files::is_npz_file(text)) {
        TAOISM_RETURN_IF_ERROR(take_archive(text));
      } else {
        single.push_back(text);
      }
    }
    TAOISM_ASSIGN_OR_RETURN(const std::vector<NamedPath> paths,
                            match_paths(single, names, "--input"));
    for (const NamedPath& path : paths) {
      const size_t i = index_of(path.name);
      TAOISM_ASSIGN_OR_RETURN(files::Tensor tensor, read_file(inputs_[i], path.path));
      TAOISM_RETURN_IF_ERROR(take(i, std::move(tensor), path.path));
    }
    return std::move(read_);
  }

 private:
  static bool agree(const ir::Shape& said, const ir::Shape& shape) {
    bool same = said.rank() == shape.rank();
    for (size_t i = 0; same && i < said.rank(); ++i) same = said[i] < 0 || said[i] == shape[i];
    return same;
  }

  // What --input-shape says of an input.
  std::optional<ir::Shape> said_shape(const onnx::DeclaredInput& input) const {
    for (const auto& [name, shape] : shapes_) {
      if (name == input.name) return shape;
    }
    return std::nullopt;
  }

  Status parse_shapes() {
    for (const std::string& text : flags_.shapes) {
      TAOISM_ASSIGN_OR_RETURN(auto shape, parse_input_shape(text));
      shapes_.push_back(std::move(shape));
    }
    return {};
  }

  Status parse_types() {
    for (const std::string& text : flags_.types) {
      TAOISM_ASSIGN_OR_RETURN(const auto named, split_name(text, inputs_, "--input-type"));
      const std::optional<ir::DType> dtype = files::find_dtype(named.second);
      if (!dtype) {
        return invalid_argument("--input-type " + text +
                                ": no such type; write float32, int64, uint8, ...");
      }
      types_.emplace_back(named.first, *dtype);
    }
    return {};
  }

  Result<files::Tensor> read_file(const onnx::DeclaredInput& input, const std::string& path) const {
    const auto type = std::find_if(types_.begin(), types_.end(),
                                   [&](const auto& t) { return t.first == input.name; });
    if (type == types_.end() && files::is_npz_file(path)) {
      TAOISM_ASSIGN_OR_RETURN(std::vector<files::NamedTensor> arrays, files::read_npz(path));
      for (files::NamedTensor& array : arrays) {
        if (array.name == input.name) return std::move(array.tensor);
      }
    }
    if (type == types_.end() && !files::is_raw_name(path)) return files::read_tensor(path);
    std::optional<ir::DType> dtype;
    dtype = type != types_.end() ? type->second : files::find_dtype(input.dtype);
    if (!dtype) return invalid_argument(path + ": give its type, --input-type " + input.name + "=");
    std::optional<ir::Shape> shape = said_shape(input);
    if (!shape && input.has_shape && input.dims.size() <= ir::kMaxRank) {
      shape = ir::Shape(input.dims);
    }
    if (!shape) {
      return invalid_argument(path + ": give its shape, --input-shape " + input.name +
                              "=1x3x224x224");
    }
    return files::read_raw(path, {*dtype, *shape});
  }

  size_t index_of(const std::string& name) const {
    size_t i = 0;
    while (i < inputs_.size() && inputs_[i].name != name) ++i;
    return i;
  }

  // The arrays of an .npz file that are named as inputs are, or its only one for the only input.
  Status take_archive(const std::string& path) {
    TAOISM_ASSIGN_OR_RETURN(std::vector<files::NamedTensor> arrays, files::read_npz(path));
    std::string names;
    bool any = false;
    for (files::NamedTensor& array : arrays) {
      names += (names.empty() ? "" : ", ") + array.name;
      const size_t i = index_of(array.name);
      if (i == inputs_.size()) continue;
      any = true;
      TAOISM_RETURN_IF_ERROR(take(i, std::move(array.tensor), path));
    }
    if (any) return {};
    if (arrays.size() == 1 && inputs_.size() == 1) {
      return take(0, std::move(arrays.front().tensor), path);
    }
    return invalid_argument(path + ": none of its arrays (" + names +
                            ") is an input of the model; write --input NAME=" + path);
  }

  Status take(size_t i, files::Tensor tensor, const std::string& path) {
    if (read_.tensors[i]) return invalid_argument("--input: '" + inputs_[i].name + "' twice");
    TAOISM_ASSIGN_OR_RETURN(read_.tensors[i], fitted(inputs_[i], std::move(tensor), path));
    return {};
  }

  // A picture as the input wants it: one row, channels before or after the pixels.
  Result<files::Tensor> picture(const onnx::DeclaredInput& input, files::Tensor tensor,
                                const std::string& path) {
    const int64_t height = tensor.desc.shape[0], width = tensor.desc.shape[1];
    const std::string size = path + ": " + std::to_string(width) + "x" + std::to_string(height) +
                             " pixels (width x height), and ";
    const size_t rank = input.dims.size();
    if (!input.has_shape || (rank != 3 && rank != 4)) {
      return invalid_argument(size + wanted_text(input) + ": no picture; give x.npy");
    }
    const auto is_channels = [&](size_t axis) {
      return input.dims[axis] == 1 || input.dims[axis] == 3;
    };
    files::ImageLayout layout;
    const size_t first = rank - 3;
    layout.channels_last = is_channels(rank - 1) && !is_channels(first);
    const int64_t channels = input.dims[layout.channels_last ? rank - 1 : first];
    layout.channels = channels < 0 ? 3 : channels;
    layout.dtype = input.dtype == "uint8" ? ir::DType::u8 : ir::DType::f32;
    ir::Shape shape;
    if (rank == 4) shape.push_back(1);
    if (!layout.channels_last) shape.push_back(layout.channels);
    shape.push_back(height);
    shape.push_back(width);
    if (layout.channels_last) shape.push_back(layout.channels);
    if (!fits(input, shape)) {
      return invalid_argument(size + wanted_text(input) + ": resize the picture");
    }
    const files::Image image{height, width, std::move(tensor.data)};
    Result<AlignedBuffer> data = files::image_tensor(image, layout, rule_);
    if (!data.ok()) return data.status().annotate(path);
    const bool as_bytes = layout.dtype == ir::DType::u8;
    read_.notes.push_back(fmt::format(
        "input {}: {}, {}x{} pixels, {} (--pixels)", printable(input.name), printable(path), width,
        height,
        as_bytes ? (rule_.is_bgr ? "bgr bytes" : "rgb bytes") : files::pixel_rule_text(rule_)));
    return files::Tensor{files::Format::image, {layout.dtype, shape}, std::move(*data)};
  }

  Result<files::Tensor> fitted(const onnx::DeclaredInput& input, files::Tensor tensor,
                               const std::string& path) {
    if (tensor.format == files::Format::image) {
      TAOISM_ASSIGN_OR_RETURN(tensor, picture(input, std::move(tensor), path));
    }
    if (tensor.format == files::Format::idx) reshape_images(input, tensor.desc.shape);
    const ir::Shape& shape = tensor.desc.shape;
    const std::string given =
        path + ": " + ir::dtype_name(tensor.desc.dtype) + " " + shape.text() + ", and ";
    if (!fits(input, shape) && !has_more_rows(input, shape)) {
      return invalid_argument(given + wanted_text(input));
    }
    if (const auto said = said_shape(input); said && !agree(*said, shape)) {
      return invalid_argument(given + "--input-shape says " + said->text() +
                              ": leave it away, the file says it");
    }
    if (shape.rank() > 0 && shape[0] == 0 && (!input.has_shape || input.dims[0] < 0)) {
      return invalid_argument(path + ": no rows");
    }
    return with_type_of(std::move(tensor), input, path, given);
  }

  Result<files::Tensor> with_type_of(files::Tensor tensor, const onnx::DeclaredInput& input,
                                     const std::string& path, const std::string& given) const {
    if (input.dtype == ir::dtype_name(tensor.desc.dtype)) return tensor;
    const std::optional<ir::DType> want = files::find_dtype(input.dtype);
    if (!want) {
      return taoism::unsupported(path + ": the model's input '" + input.name + "' is " +
                                 input.dtype + ", which is not supported");
    }
    if (*want == ir::DType::f64 || *want == ir::DType::u64) {
      return taoism::unsupported(
          path + ": the model's input '" + input.name + "' is " + input.dtype +
          ", which is computed with in constants alone; export the model with " +
          (*want == ir::DType::f64 ? "float32" : "int64") + " there");
    }
    if (tensor.format == files::Format::idx && *want == ir::DType::f32 &&
        tensor.desc.dtype == ir::DType::u8) {
      Result<files::Tensor> scaled = files::scale_bytes(tensor, rule_);
      if (!scaled.ok()) return scaled.status().annotate("--pixels " + flags_.pixels);
      return scaled;
    }
    if (!flags_.convert) {
      return invalid_argument(given + wanted_text(input) + ": save x.astype('" + input.dtype +
                              "'), or give --convert if every value fits");
    }
    Result<files::Tensor> converted = files::convert_exactly(std::move(tensor), *want);
    if (!converted.ok()) return converted.status().annotate("--convert " + path);
    return converted;
  }

  const InputFlags& flags_;
  std::span<const onnx::DeclaredInput> inputs_;
  files::PixelRule rule_;
  ReadInputs read_;
  std::vector<std::pair<std::string, ir::Shape>> shapes_;
  std::vector<std::pair<std::string, ir::DType>> types_;
};

}  // namespace

Result<ReadInputs> InputFlags::read(std::span<const onnx::DeclaredInput> inputs) const {
  return Reader(*this, inputs).run();
}

Result<onnx::ImportOptions> InputFlags::import_options(const onnx::Model& model,
                                                       const InputTensors& tensors,
                                                       int64_t batch) const {
  onnx::ImportOptions options;
  options.batch = batch;
  for (const std::string& text : shapes) {
    TAOISM_ASSIGN_OR_RETURN(auto shape, parse_input_shape(text));
    options.input_shapes.push_back(std::move(shape));
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i]) continue;
    const onnx::DeclaredInput& input = model.inputs()[i];
    ir::Shape shape = tensors[i]->desc.shape;
    if (has_more_rows(input, shape)) shape[0] = input.dims[0];
    const auto said = std::find_if(options.input_shapes.begin(), options.input_shapes.end(),
                                   [&](const auto& s) { return s.first == input.name; });
    if (said != options.input_shapes.end()) options.input_shapes.erase(said);
    options.input_shapes.emplace_back(input.name, shape);
  }
  TAOISM_ASSIGN_OR_RETURN(const std::vector<onnx::OpenInput> open, model.open_inputs(options));
  if (open.empty()) return options;
  std::string text;
  for (const onnx::OpenInput& input : open) text += (text.empty() ? "" : "; ") + input.text();
  const std::string& name = open.front().name;
  std::string hint;
  for (const onnx::DeclaredInput& input : model.inputs()) {
    if (printable(input.name) == name) hint = shape_hint(input);
  }
  return invalid_argument(text + ": give a file, --input " +
                          (model.inputs().size() > 1 ? name + "=" : "") +
                          "x.npy, or numbers, --input-shape " + name + "=" + hint);
}

}  // namespace taoism::cli
