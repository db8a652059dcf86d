#include "rows/random_model.h"

#include <algorithm>

#include "onnx/test_model.h"

namespace taoism::rows {
namespace {

using onnx::set_int;
using onnx::set_ints;

constexpr int64_t kOpset = 17;
constexpr int64_t kMostElements = 20000;
constexpr int kFloat = ::onnx::TensorProto::FLOAT, kInt64 = ::onnx::TensorProto::INT64;

// A dimension: so many a row, or a number. What the model's author thinks, not what is proven.
struct Dim {
  int64_t size = 1;
  bool grows = false;
};

struct Value {
  std::string name;
  std::vector<Dim> dims;
  bool is_exact = true;  // nothing was rounded yet

  size_t rank() const { return dims.size(); }
  int64_t elements() const {
    int64_t product = 1;
    for (const Dim& dim : dims) product *= dim.size;
    return product;
  }
};

class Maker {
 public:
  Maker(Random& random, int64_t rows) : random_(random), rows_(rows), model_(kOpset) {}

  RandomModel run() {
    const auto inputs = random_.between(1, 3);
    for (int64_t i = 0; i < inputs; ++i) add_input();
    const auto steps = random_.between(1, 6);
    for (int64_t i = 0; i < steps; ++i) step();
    if (values_.size() == static_cast<size_t>(inputs)) emit("Relu", {any().name}, any());
    const auto outputs = random_.once_in(4) ? 2 : 1;
    for (int64_t o = 0; o < outputs && o < static_cast<int64_t>(values_.size()); ++o) {
      model_.output(values_[values_.size() - 1 - static_cast<size_t>(o)].name);
    }
    made_.onnx = model_.bytes();
    return std::move(made_);
  }

 private:
  std::string fresh(const char* what) { return what + std::to_string(next_++); }
  const Value& any() {  // rather a late one
    const auto last = static_cast<int64_t>(values_.size()) - 1;
    return values_[static_cast<size_t>(
        random_.once_in(3) ? random_.between(0, last) : last)];
  }
  size_t any_axis(const Value& x) {
    return static_cast<size_t>(random_.between(0, static_cast<int64_t>(x.rank()) - 1));
  }

  void add_input() {
    Value x{fresh("x"), {{rows_, true}}};
    const auto rank = random_.between(1, 4);
    for (int64_t i = 1; i < rank; ++i) x.dims.push_back({random_.between(1, 4), false});
    std::vector<int64_t> declared;
    for (const Dim& dim : x.dims) declared.push_back(dim.grows ? -1 : dim.size);
    model_.input(x.name, declared);
    files::Tensor tensor;
    std::vector<int64_t> sizes;
    for (const Dim& dim : x.dims) sizes.push_back(dim.size);
    tensor.desc = {ir::DType::f32, ir::Shape(sizes)};
    tensor.data = AlignedBuffer(tensor.desc.bytes());
    for (int64_t i = 0; i < tensor.desc.shape.elements(); ++i) {
      tensor.data.as<float>()[i] = static_cast<float>(random_.between(-4, 4));
    }
    made_.names.push_back(x.name);
    made_.inputs.push_back(std::move(tensor));
    values_.push_back(std::move(x));
  }

  ::onnx::NodeProto& emit(const std::string& op, std::vector<std::string> inputs, Value like) {
    like.name = fresh("v");
    auto& node = model_.node(op, inputs, {like.name}, fresh(op.c_str()));
    made_.text += made_.text.empty() ? op : " " + op;
    values_.push_back(std::move(like));
    return node;
  }
  std::string ints(const std::vector<int64_t>& values) {
    const std::string name = fresh("i");
    model_.ints(name, values);
    return name;
  }
  std::string scalar(int64_t value) {
    const std::string name = fresh("s");
    auto& tensor = *model_.graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(kInt64);
    tensor.add_int64_data(value);
    return name;
  }
  std::string weight(const std::vector<int64_t>& dims) {
    int64_t elements = 1;
    for (const int64_t dim : dims) elements *= dim;
    std::vector<float> values;
    for (int64_t i = 0; i < elements; ++i) {
      values.push_back(static_cast<float>(random_.between(-2, 2)));
    }
    const std::string name = fresh("w");
    model_.weight(name, dims, values);
    return name;
  }
  // A tensor of integers that holds dimension `axis` of x, one element.
  std::string size_of(const Value& x, size_t axis) {
    const std::string shape = fresh("h"), size = fresh("n");
    model_.node("Shape", {x.name}, {shape}, fresh("Shape"));
    model_.node("Gather", {shape, ints({static_cast<int64_t>(axis)})}, {size}, fresh("Gather"));
    return size;
  }
  std::string float_of(const std::string& ints_name) {
    const std::string name = fresh("f");
    set_int(model_.node("Cast", {ints_name}, {name}, fresh("Cast")), "to", kFloat);
    return name;
  }
  // Sizes that are those of `dims`: numbers as they are, and what grows from the shape of x, or by
  // chance as the number that it is here.
  std::string sizes(const Value& x, const std::vector<Dim>& dims) {
    size_t from = x.rank();
    for (size_t i = 0; i < x.rank(); ++i) from = x.dims[i].grows ? i : from;
    std::vector<std::string> parts;
    for (const Dim& dim : dims) {
      const bool grows = dim.grows && from < x.rank() && !random_.once_in(8);
      if (!grows || dim.size % x.dims[from].size != 0) {
        parts.push_back(ints({dim.size}));
        continue;
      }
      std::string size = size_of(x, from);
      if (const int64_t times = dim.size / x.dims[from].size; times != 1) {
        const std::string product = fresh("p");
        model_.node("Mul", {size, ints({times})}, {product}, fresh("Mul"));
        size = product;
      }
      parts.push_back(size);
    }
    const std::string name = fresh("t");
    set_int(model_.node("Concat", parts, {name}, fresh("Concat")), "axis", 0);
    return name;
  }

  void step() {
    const Value x = any();
    using Step = void (Maker::*)(const Value&);
    static const std::vector<Step> kSteps = {
        &Maker::unary,     &Maker::by_weight, &Maker::by_other,  &Maker::transpose,
        &Maker::reshape,   &Maker::flatten,   &Maker::unsqueeze, &Maker::squeeze,
        &Maker::reduce,    &Maker::cum_sum,   &Maker::softmax,   &Maker::matmul,
        &Maker::attention, &Maker::conv,      &Maker::gather,    &Maker::lookup,
        &Maker::concat,    &Maker::slice,     &Maker::pad,       &Maker::expand,
        &Maker::tile,      &Maker::by_count,  &Maker::zeros,     &Maker::numbered,
        &Maker::arg_max,   &Maker::split,     &Maker::normalize};
    if (x.elements() <= kMostElements) (this->*random_.of(kSteps))(x);
  }

  void unary(const Value& x) {
    static const std::vector<std::string> kExact = {"Relu", "Neg", "Abs", "Identity"};
    static const std::vector<std::string> kRounded = {"Sigmoid", "Tanh", "HardSwish"};
    const bool exact = random_.once_in(2);
    Value y = x;
    y.is_exact = x.is_exact && exact;
    emit(random_.of(exact ? kExact : kRounded), {x.name}, y);
  }

  void by_weight(const Value& x) {
    std::vector<int64_t> dims;
    const auto first = random_.between(0, static_cast<int64_t>(x.rank()));
    for (size_t i = static_cast<size_t>(first); i < x.rank(); ++i) {
      const bool one = x.dims[i].grows ? !random_.once_in(6) : random_.once_in(2);
      dims.push_back(one ? 1 : x.dims[i].size);
    }
    std::vector<std::string> inputs = {x.name, weight(dims)};
    if (random_.once_in(2)) std::swap(inputs[0], inputs[1]);
    emit(random_.once_in(2) ? "Add" : "Mul", inputs, x);
  }

  static bool broadcasts(const Value& a, const Value& b, std::vector<Dim>& dims) {
    const size_t rank = std::max(a.rank(), b.rank());
    dims.assign(rank, {});
    for (size_t i = 0; i < rank; ++i) {
      const auto at = [&](const Value& v) {
        return i + v.rank() < rank ? Dim{} : v.dims[i + v.rank() - rank];
      };
      const Dim da = at(a), db = at(b);
      if (da.size != db.size && da.size != 1 && db.size != 1) return false;
      dims[i] = da.size == 1 && !da.grows ? db : da;
    }
    return true;
  }

  void by_other(const Value& x) {
    const Value other = any();
    Value y{"", {}, x.is_exact && other.is_exact};
    if (!broadcasts(x, other, y.dims) || y.elements() > kMostElements) return unary(x);
    static const std::vector<std::string> kOps = {"Add", "Sub", "Mul", "Max"};
    emit(random_.of(kOps), {x.name, other.name}, y);
  }

  void transpose(const Value& x) {
    std::vector<int64_t> perm;
    for (size_t i = 0; i < x.rank(); ++i) perm.push_back(static_cast<int64_t>(i));
    for (size_t i = x.rank(); i > 1; --i) {
      std::swap(perm[i - 1], perm[static_cast<size_t>(random_.between(0, static_cast<int64_t>(i) - 1))]);
    }
    Value y = x;
    for (size_t i = 0; i < x.rank(); ++i) y.dims[i] = x.dims[static_cast<size_t>(perm[i])];
    set_ints(emit("Transpose", {x.name}, y), "perm", perm);
  }

  // Neighbours joined, or a dimension taken apart.
  void reshape(const Value& x) {
    Value y = x;
    const size_t axis = any_axis(x);
    if (axis + 1 < x.rank() && random_.once_in(2)) {
      y.dims[axis] = {x.dims[axis].size * x.dims[axis + 1].size,
                      x.dims[axis].grows || x.dims[axis + 1].grows};
      y.dims.erase(y.dims.begin() + static_cast<int64_t>(axis) + 1);
    } else if (x.rank() < 5) {
      const int64_t size = x.dims[axis].size;
      const int64_t part = x.dims[axis].grows ? rows_ : random_.between(1, 4);
      if (size % part != 0) return unary(x);
      const bool outer = random_.once_in(2);
      const Dim grown{part, x.dims[axis].grows}, rest{size / part, false};
      y.dims[axis] = outer ? grown : rest;
      y.dims.insert(y.dims.begin() + static_cast<int64_t>(axis) + 1, outer ? rest : grown);
    }
    std::string target;
    if (random_.once_in(2)) {
      std::vector<int64_t> given;
      for (const Dim& dim : y.dims) given.push_back(dim.size);
      size_t open = any_axis(y);
      for (size_t i = 0; i < y.rank(); ++i) open = y.dims[i].grows && !random_.once_in(6) ? i : open;
      given[open] = -1;
      target = ints(given);
    } else {
      target = sizes(x, y.dims);
    }
    emit("Reshape", {x.name, target}, y);
  }

  void flatten(const Value& x) {
    const auto axis = static_cast<size_t>(random_.between(0, static_cast<int64_t>(x.rank())));
    Value y{"", {{}, {}}, x.is_exact};
    for (size_t i = 0; i < x.rank(); ++i) {
      Dim& dim = y.dims[i < axis ? 0 : 1];
      dim = {dim.size * x.dims[i].size, dim.grows || x.dims[i].grows};
    }
    set_int(emit("Flatten", {x.name}, y), "axis", static_cast<int64_t>(axis));
  }

  void unsqueeze(const Value& x) {
    if (x.rank() > 4) return unary(x);
    const auto axis = random_.between(0, static_cast<int64_t>(x.rank()));
    Value y = x;
    y.dims.insert(y.dims.begin() + axis, {1, false});
    emit("Unsqueeze", {x.name, ints({axis})}, y);
  }

  void squeeze(const Value& x) {
    std::vector<int64_t> axes;
    Value y{"", {}, x.is_exact};
    for (size_t i = 0; i < x.rank(); ++i) {
      if (x.dims[i].size == 1 && !x.dims[i].grows) {
        axes.push_back(static_cast<int64_t>(i));
      } else {
        y.dims.push_back(x.dims[i]);
      }
    }
    if (axes.empty() || y.dims.empty()) return unary(x);
    if (random_.once_in(4) && rows_ != 1) {  // all of 1, whatever they count
      emit("Squeeze", {x.name}, y);
    } else {
      emit("Squeeze", {x.name, ints(axes)}, y);
    }
  }

  void reduce(const Value& x) {
    static const std::vector<std::string> kOps = {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1"};
    const bool keep = random_.once_in(2);
    std::vector<int64_t> axes;
    Value y{"", {}, false};
    for (size_t i = 0; i < x.rank(); ++i) {
      if (random_.once_in(3)) {
        axes.push_back(static_cast<int64_t>(i));
        if (keep) y.dims.push_back({1, false});
      } else {
        y.dims.push_back(x.dims[i]);
      }
    }
    if (axes.empty() || y.dims.empty()) return cum_sum(x);
    auto& node = emit(random_.of(kOps), {x.name}, y);
    set_ints(node, "axes", axes);
    set_int(node, "keepdims", keep);
  }

  void cum_sum(const Value& x) {
    auto& node = emit("CumSum", {x.name, scalar(static_cast<int64_t>(any_axis(x)))}, x);
    set_int(node, "reverse", random_.once_in(2));
  }

  void softmax(const Value& x) {
    Value y = x;
    y.is_exact = false;
    set_int(emit("Softmax", {x.name}, y), "axis", static_cast<int64_t>(any_axis(x)));
  }

  void matmul(const Value& x) {
    Value y = x;
    const int64_t out = random_.between(1, 4);
    const std::string w = weight({x.dims.back().size, out});
    y.dims.back() = {out, false};
    emit("MatMul", {x.name, w}, y);
  }

  // x times x transposed, over the last two dimensions.
  void attention(const Value& x) {
    if (x.rank() < 2) return softmax(x);
    Value turned = x;
    std::swap(turned.dims[x.rank() - 1], turned.dims[x.rank() - 2]);
    std::vector<int64_t> perm;
    for (size_t i = 0; i < x.rank(); ++i) perm.push_back(static_cast<int64_t>(i));
    std::swap(perm[x.rank() - 1], perm[x.rank() - 2]);
    Value y = x;
    y.dims.back() = x.dims[x.rank() - 2];
    if (y.elements() > kMostElements) return softmax(x);
    set_ints(emit("Transpose", {x.name}, turned), "perm", perm);
    emit("MatMul", {x.name, std::string(values_.back().name)}, y);
  }

  void conv(const Value& x) {
    if (x.rank() != 3) return unary(x);
    const int64_t channels = x.dims[1].size, out = random_.between(1, 3);
    if (channels > 64) return unary(x);
    Value y = x;
    y.dims[1] = {out, false};
    auto& node = emit("Conv", {x.name, weight({out, channels, 3})}, y);
    set_ints(node, "pads", {1, 1});
  }

  void gather(const Value& x) {
    const size_t axis = any_axis(x);
    const int64_t count = random_.between(1, 3);
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < count; ++i) {
      indices.push_back(random_.between(0, std::min<int64_t>(x.dims[axis].size, 4) - 1));
    }
    Value y = x;
    y.dims[axis] = {count, false};
    set_int(emit("Gather", {x.name, ints(indices)}, y), "axis", static_cast<int64_t>(axis));
  }

  // Lines of a table by x's own numbers, where they are whole.
  void lookup(const Value& x) {
    if (!x.is_exact || x.rank() > 3 || x.elements() * 2 > kMostElements) return gather(x);
    const std::string low = fresh("c"), index = fresh("d");
    model_.weight(low + "l", {}, {0});
    model_.weight(low + "h", {}, {4});
    model_.node("Clip", {x.name, low + "l", low + "h"}, {low}, fresh("Clip"));
    set_int(model_.node("Cast", {low}, {index}, fresh("Cast")), "to", kInt64);
    Value y = x;
    y.dims.push_back({2, false});
    if (random_.once_in(2)) {
      emit("Gather", {weight({5, 2}), index}, y);
    } else {  // a table that has the rows
      const Value table = any();
      if (table.dims[0].size < 5 || table.rank() > 2) return;
      y.dims.pop_back();
      for (size_t i = 1; i < table.rank(); ++i) y.dims.push_back(table.dims[i]);
      if (y.elements() <= kMostElements) emit("Gather", {table.name, index}, y);
    }
  }

  void concat(const Value& x) {
    const size_t axis = any_axis(x);
    Value y = x;
    y.dims[axis].size *= 2;
    if (y.elements() > kMostElements) return unary(x);
    set_int(emit("Concat", {x.name, x.name}, y), "axis", static_cast<int64_t>(axis));
  }

  void slice(const Value& x) {
    const size_t axis = any_axis(x);
    const int64_t size = x.dims[axis].size;
    const std::string axes = ints({static_cast<int64_t>(axis)});
    Value y = x;
    switch (random_.between(0, 3)) {
      case 0:  // all of it, by its own size
        emit("Slice", {x.name, ints({0}), size_of(x, axis), axes}, y);
        return;
      case 1:  // all of it, by a number that may be its size
        emit("Slice", {x.name, ints({0}), ints({random_.once_in(2) ? size : INT64_MAX}), axes}, y);
        return;
      case 2:
        emit("Slice", {x.name, ints({-1}), ints({-1000}), axes, ints({-1})}, y);
        return;
      default:
        y.dims[axis] = {(size + 1) / 2, x.dims[axis].grows};
        emit("Slice", {x.name, ints({0}), ints({1000}), axes, ints({2})}, y);
    }
  }

  void pad(const Value& x) {
    std::vector<int64_t> pads(2 * x.rank(), 0);
    const size_t axis = any_axis(x);
    pads[axis] = random_.between(0, 1);
    pads[x.rank() + axis] = 1;
    Value y = x;
    y.dims[axis].size += pads[axis] + 1;
    emit("Pad", {x.name, ints(pads)}, y);
  }

  void expand(const Value& x) {
    Value y = x;
    for (Dim& dim : y.dims) {
      if (dim.size == 1 && !dim.grows) dim = random_.once_in(3) ? Dim{rows_, true} : Dim{3, false};
    }
    if (y.elements() > kMostElements) return unary(x);
    emit("Expand", {x.name, sizes(x, y.dims)}, y);
  }

  // Something computed that every row gets.
  void tile(const Value& x) {
    size_t from = x.rank();
    for (size_t i = 0; i < x.rank(); ++i) from = x.dims[i].grows ? i : from;
    if (from == x.rank() || from != 0 || x.rank() < 2) return unary(x);
    std::vector<int64_t> dims = {1};
    std::vector<Dim> repeats = {{x.dims[0].size, true}};
    for (size_t i = 1; i < x.rank(); ++i) {
      dims.push_back(x.dims[i].size);
      repeats.push_back({1, false});
    }
    const std::string made = fresh("m");
    if (random_.once_in(2)) {
      model_.node("Softmax", {weight(dims)}, {made}, fresh("Softmax"));
    } else {
      model_.node("Neg", {weight(dims)}, {made}, fresh("Neg"));
    }
    Value repeated = x;
    repeated.is_exact = false;
    emit("Tile", {made, sizes(x, repeats)}, repeated);
    emit("Add", {x.name, std::string(values_.back().name)}, repeated);
  }

  // By how many there are of something.
  void by_count(const Value& x) {
    const std::string count = float_of(size_of(x, any_axis(x)));
    Value y = x;
    y.is_exact = false;
    static const std::vector<std::string> kOps = {"Div", "Add", "Mul"};
    emit(random_.of(kOps), {x.name, count}, y);
  }

  void zeros(const Value& x) {
    const std::string made = fresh("z");
    model_.node("ConstantOfShape", {sizes(x, x.dims)}, {made}, fresh("ConstantOfShape"));
    emit(random_.once_in(2) ? "Max" : "Add", {x.name, made}, x);
  }

  // Each position of the last dimension, or of the first, plus its number.
  void numbered(const Value& x) {
    const bool last = random_.once_in(2);
    const size_t axis = last ? x.rank() - 1 : 0;
    const std::string scalar_size = fresh("k"), range = fresh("r"), shaped = fresh("q");
    model_.node("Squeeze", {size_of(x, axis), ints({0})}, {scalar_size}, fresh("Squeeze"));
    model_.node("Range", {scalar(0), scalar_size, scalar(1)}, {range}, fresh("Range"));
    std::vector<int64_t> shape(x.rank() - axis, 1);
    shape[0] = -1;
    model_.node("Reshape", {range, ints(shape)}, {shaped}, fresh("Reshape"));
    emit("Add", {x.name, float_of(shaped)}, x);
  }

  void arg_max(const Value& x) {
    if (!x.is_exact || x.rank() < 2) return unary(x);
    const size_t axis = any_axis(x);
    const std::string index = fresh("a");
    auto& node = model_.node("ArgMax", {x.name}, {index}, fresh("ArgMax"));
    set_int(node, "axis", static_cast<int64_t>(axis));
    set_int(node, "keepdims", 0);
    Value y = x;
    y.dims.erase(y.dims.begin() + static_cast<int64_t>(axis));
    set_int(emit("Cast", {index}, y), "to", kFloat);
  }

  void split(const Value& x) {
    const size_t axis = any_axis(x);
    const int64_t size = x.dims[axis].size;
    if (size % 2 != 0) return unary(x);
    Value y = x;
    y.dims[axis].size = size / 2;
    const std::string other = fresh("o");
    y.name = fresh("v");
    auto& node = model_.node("Split", {x.name}, {other, y.name}, fresh("Split"));
    set_int(node, "axis", static_cast<int64_t>(axis));
    made_.text += " Split";
    values_.push_back(std::move(y));
  }

  // Of what nothing has rounded: between rows that are nearly alike any rounding is as large as the
  // answer, and two runtimes are both right.
  void normalize(const Value& x) {
    if (x.rank() < 2 || !x.is_exact) return softmax(x);
    Value y = x;
    y.is_exact = false;
    const int64_t size = x.dims.back().size;
    auto& node = emit("LayerNormalization", {x.name, weight({size}), weight({size})}, y);
    set_int(node, "axis", -1);
  }

  Random& random_;
  const int64_t rows_;
  onnx::TestModel model_;
  std::vector<Value> values_;
  RandomModel made_;
  int next_ = 0;
};

}  // namespace

RandomModel make_model(Random& random, int64_t rows) { return Maker(random, rows).run(); }

}  // namespace taoism::rows
