#include "onnx/bind_shapes.h"

#include <algorithm>

namespace taoism::onnx {
namespace {

class ShapeBinder {
 public:
  ShapeBinder(const Model::File& file, const ImportOptions& options)
      : file_(file), options_(options), dims_(file.inputs.size()) {}

  // Leaves kDynamic where nothing says a size.
  Status run() {
    TAOISM_RETURN_IF_ERROR(check_options());
    for (size_t i = 0; i < dims_.size(); ++i) TAOISM_RETURN_IF_ERROR(take_given(i));
    if (options_.batch > 0) TAOISM_RETURN_IF_ERROR(take_batch());
    take_names();
    if (options_.batch == 0) {
      for (size_t i = 0; i < dims_.size(); ++i) {
        if (dims_[i].empty() || dims_[i][0] >= 0) continue;
        TAOISM_RETURN_IF_ERROR(set(i, 0, 1));
        take_names();
      }
    }
    return {};
  }

  Result<std::vector<ir::Shape>> shapes() const {
    std::vector<ir::Shape> shapes(dims_.size());
    for (size_t i = 0; i < dims_.size(); ++i) {
      shapes[i] = ir::Shape(dims_[i]);
      if (is_tensor(i) && !shapes[i].is_bounded()) {
        return invalid_argument(what(i) + " is too large: " + shapes[i].text());
      }
    }
    return shapes;
  }

  std::vector<OpenInput> open_inputs() const {
    std::vector<OpenInput> open;
    for (size_t i = 0; i < dims_.size(); ++i) {
      const DeclaredInput& input = file_.inputs[i];
      if (!is_tensor(i)) continue;
      OpenInput found{printable(input.name), input.shape_text(), {}};
      for (size_t axis = 0; axis < dims_[i].size(); ++axis) {
        if (dims_[i][axis] < 0) found.axes.push_back(axis);
      }
      const bool has_no_shape = !input.has_shape && given(i) == nullptr;
      if (has_no_shape || !found.axes.empty()) open.push_back(std::move(found));
    }
    return open;
  }

 private:
  struct Named {
    int64_t size = 0;
    size_t input = 0, axis = 0;
  };

  bool is_tensor(size_t i) const { return file_.input_types[i] != 0; }
  std::string what(size_t i) const { return "input '" + printable(file_.inputs[i].name) + "'"; }
  bool is_open(size_t i, size_t axis) const {
    const DeclaredInput& input = file_.inputs[i];
    return !input.has_shape || input.dims[axis] < 0;
  }
  const ir::Shape* given(size_t i) const {
    for (const auto& [name, shape] : options_.input_shapes) {
      if (name == file_.inputs[i].name) return &shape;
    }
    return nullptr;
  }

  Status check_options() const {
    if (options_.batch < 0) {
      return invalid_argument("batch must be at least 1, got " + std::to_string(options_.batch));
    }
    for (const auto& [name, shape] : options_.input_shapes) {
      const auto known =
          std::any_of(file_.inputs.begin(), file_.inputs.end(),
                      [&name = name](const DeclaredInput& i) { return i.name == name; });
      if (known) continue;
      std::string names;
      for (const DeclaredInput& input : file_.inputs) {
        names += (names.empty() ? "" : ", ") + printable(input.name);
      }
      return invalid_argument("the model has no input '" + printable(name) + "'; it has " + names);
    }
    return {};
  }

  // Dimension `axis` of input `i` is `size`. Errors: its name stands for another size already.
  Status set(size_t i, size_t axis, int64_t size) {
    dims_[i][axis] = size;
    const DeclaredInput& input = file_.inputs[i];
    if (!input.has_shape || input.dims[axis] >= 0 || input.dim_names[axis].empty()) return {};
    const auto [it, added] = names_.emplace(input.dim_names[axis], Named{size, i, axis});
    if (added || it->second.size == size) return {};
    const auto place = [&](size_t at, size_t dim, int64_t value) {
      return std::to_string(value) + " in " + what(at) + " (dimension " + std::to_string(dim) + ")";
    };
    return invalid_argument("dimension '" + printable(it->first) + "' is " +
                            place(it->second.input, it->second.axis, it->second.size) + " and " +
                            place(i, axis, size) + ": it is one size");
  }

  Status take_given(size_t i) {
    const DeclaredInput& input = file_.inputs[i];
    const ir::Shape* shape = given(i);
    if (input.has_shape && input.dims.size() > ir::kMaxRank) {
      return unsupported(what(i) + " has " + std::to_string(input.dims.size()) +
                         " dimensions, at most " + std::to_string(ir::kMaxRank) + " are supported");
    }
    if (shape == nullptr) {
      dims_[i].assign(input.dims.begin(), input.dims.end());
      return {};
    }
    bool fits = !input.has_shape || shape->rank() == input.dims.size();
    for (size_t axis = 0; fits && input.has_shape && axis < shape->rank(); ++axis) {
      const int64_t size = (*shape)[axis];
      fits = size < 0 || input.dims[axis] < 0 || input.dims[axis] == size;
    }
    if (!fits) {
      return invalid_argument(what(i) + " is " + input.dtype + " " + input.shape_text() +
                              ", and cannot have shape " + shape->text());
    }
    dims_[i].assign(shape->begin(), shape->end());
    for (size_t axis = 0; axis < shape->rank(); ++axis) {
      if ((*shape)[axis] >= 0) {
        TAOISM_RETURN_IF_ERROR(set(i, axis, (*shape)[axis]));
      } else if (input.has_shape) {
        dims_[i][axis] = input.dims[axis];
      }
    }
    return {};
  }

  // Beside inputs with an open first dimension, a fixed one is no batch of another size.
  Status take_batch() {
    bool has_open = false;
    bool is_batch = false;
    std::string fixed;
    for (size_t i = 0; i < dims_.size(); ++i) {
      if (!is_tensor(i) || dims_[i].empty()) continue;
      if (!is_open(i, 0)) {
        is_batch = is_batch || dims_[i][0] == options_.batch;
        if (fixed.empty()) {
          fixed = what(i) + " has a fixed batch of " + std::to_string(dims_[i][0]) +
                  ": run with that, or export the model with a dynamic batch";
        }
        continue;
      }
      has_open = true;
      if (dims_[i][0] >= 0 && dims_[i][0] != options_.batch) {
        return invalid_argument(what(i) + " is given as " + ir::Shape(dims_[i]).text() +
                                " and the batch as " + std::to_string(options_.batch) +
                                ": give one of them");
      }
      TAOISM_RETURN_IF_ERROR(set(i, 0, options_.batch));
    }
    if (has_open || is_batch || fixed.empty()) return {};
    return invalid_argument(fixed);
  }

  void take_names() {
    for (size_t i = 0; i < dims_.size(); ++i) {
      const DeclaredInput& input = file_.inputs[i];
      for (size_t axis = 0; input.has_shape && axis < dims_[i].size(); ++axis) {
        if (dims_[i][axis] >= 0 || input.dim_names[axis].empty()) continue;
        const auto it = names_.find(input.dim_names[axis]);
        if (it != names_.end()) dims_[i][axis] = it->second.size;
      }
    }
  }

  const Model::File& file_;
  const ImportOptions& options_;
  std::vector<std::vector<int64_t>> dims_;  // by input
  std::unordered_map<std::string, Named> names_;
};

}  // namespace

Result<std::vector<ir::Shape>> bind_shapes(const Model::File& file, const ImportOptions& options) {
  ShapeBinder binder(file, options);
  TAOISM_RETURN_IF_ERROR(binder.run());
  const std::vector<OpenInput> open = binder.open_inputs();
  if (open.empty()) return binder.shapes();
  std::string inputs;
  for (const OpenInput& input : open) inputs += (inputs.empty() ? "" : "; ") + input.text();
  return invalid_argument(inputs + ": give the shape");
}

Result<std::vector<OpenInput>> find_open_inputs(const Model::File& file,
                                                const ImportOptions& options) {
  ShapeBinder binder(file, options);
  TAOISM_RETURN_IF_ERROR(binder.run());
  return binder.open_inputs();
}

}  // namespace taoism::onnx
