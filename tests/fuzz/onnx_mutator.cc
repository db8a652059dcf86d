// Half of the mutations of onnx_fuzz: one thing of the model that the bytes mean, so that most
// mutants still parse.
#include <onnx/onnx_pb.h>
#include <algorithm>

#include <random>

namespace {

class Mutator {
 public:
  Mutator(::onnx::GraphProto& graph, unsigned seed) : graph_(graph), random_(seed) {}

  void run() {
    if (graph_.node_size() == 0) return;
    ::onnx::NodeProto& node = *graph_.mutable_node(below(graph_.node_size()));
    const ::onnx::NodeProto& other = graph_.node(below(graph_.node_size()));
    switch (below(8)) {
      case 0:
      case 1:
        if (node.attribute_size() != 0)
          change(*node.mutable_attribute(below(node.attribute_size())));
        return;
      case 2:
        if (other.attribute_size() != 0)
          *node.add_attribute() = other.attribute(below(other.attribute_size()));
        return;
      case 3:
        if (node.input_size() != 0) node.set_input(below(node.input_size()), any_tensor());
        return;
      case 4: node.add_input(any_tensor()); return;
      case 5: node.set_op_type(other.op_type()); return;
      case 6:
        if (graph_.initializer_size() != 0)
          change(*graph_.mutable_initializer(below(graph_.initializer_size())));
        return;
      default: {
        if (graph_.input_size() == 0) return;
        auto& type = *graph_.mutable_input(0)->mutable_type()->mutable_tensor_type();
        auto& shape = *type.mutable_shape();
        if (shape.dim_size() == 0 || below(6) == 0) shape.add_dim();
        shape.mutable_dim(below(shape.dim_size()))->set_dim_value(number());
      }
    }
  }

 private:
  int below(int count) { return static_cast<int>(random_() % static_cast<unsigned>(count)); }
  int64_t number() {
    constexpr int64_t kNumbers[] = {0,
                                    1,
                                    2,
                                    3,
                                    4,
                                    5,
                                    6,
                                    7,
                                    -1,
                                    -2,
                                    16,
                                    33,
                                    100,
                                    255,
                                    4096,
                                    int64_t{1} << 20,
                                    int64_t{1} << 31,
                                    int64_t{1} << 40,
                                    INT64_MAX,
                                    INT64_MIN};
    return kNumbers[below(below(3) == 0 ? std::size(kNumbers) : 10)];
  }
  std::string any_tensor() {
    const ::onnx::NodeProto& node = graph_.node(below(graph_.node_size()));
    if (below(2) == 0 && node.output_size() != 0) return node.output(0);
    if (graph_.initializer_size() != 0 && below(3) != 0)
      return graph_.initializer(below(graph_.initializer_size())).name();
    return below(2) == 0 ? "x" : "";
  }
  void change(::onnx::AttributeProto& attribute) {
    attribute.set_i(number());
    attribute.set_f(static_cast<float>(number()));
    if (attribute.ints_size() == 0 || below(4) == 0) attribute.add_ints(number());
    attribute.set_ints(below(attribute.ints_size()), number());
  }
  void change(::onnx::TensorProto& tensor) {
    if (below(4) == 0) tensor.set_data_type(1 + below(13));
    if (tensor.dims_size() != 0 && below(3) == 0)
      tensor.set_dims(below(tensor.dims_size()), number());
    if (tensor.int64_data_size() != 0)
      tensor.set_int64_data(below(tensor.int64_data_size()), number());
    if (tensor.float_data_size() != 0)
      tensor.set_float_data(below(tensor.float_data_size()), static_cast<float>(number()));
  }

  ::onnx::GraphProto& graph_;
  std::mt19937 random_;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size)
    __attribute__((weak));

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  if (LLVMFuzzerMutate == nullptr) return size;
  ::onnx::ModelProto model;
  if (seed % 2 == 0 || !model.ParseFromArray(data, static_cast<int>(size))) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  Mutator(*model.mutable_graph(), seed / 2).run();
  const std::string bytes = model.SerializeAsString();
  if (bytes.size() > max_size) return size;
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}
