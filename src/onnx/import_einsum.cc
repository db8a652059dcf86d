// Einsum of one or two tensors as what it is equal to: sums, transposes and one batched product.
#include <algorithm>

#include "onnx/node_import.h"

namespace taoism::onnx {
namespace {

// A dimension's letter, or one of those that an ellipsis stands for.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kEllipsis = 256;

bool holds(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// One term; "..." stands for `ellipsis` dimensions.
Result<Labels> parse_term(const std::string& term, size_t ellipsis) {
  Labels labels;
  for (size_t i = 0; i < term.size(); ++i) {
    const char c = term[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter && holds(labels, c)) return unsupported("a letter twice in one term");
    if (letter) labels.push_back(c);
    if (c != '.') {
      if (!letter && c != ' ')
        return invalid_argument("equation has a character that is no letter");
      continue;
    }
    if (term.compare(i, 3, "...") != 0 || holds(labels, kEllipsis)) {
      return invalid_argument("equation has a misplaced dot");
    }
    i += 2;
    for (size_t e = 0; e < ellipsis; ++e) labels.push_back(kEllipsis + static_cast<Label>(e));
  }
  return labels;
}

struct Equation {
  std::vector<Labels> inputs;
  Labels output;
};

// Of every letter that is in one term alone, in order, as numpy has it.
Labels implied_output(const std::vector<Labels>& inputs) {
  Labels output, letters;
  for (const Labels& labels : inputs) {
    for (const Label label : labels) {
      if (label >= kEllipsis) {
        if (!holds(output, label)) output.push_back(label);
      } else {
        letters.push_back(label);
      }
    }
  }
  std::sort(letters.begin(), letters.end());
  for (const Label label : letters) {
    if (std::count(letters.begin(), letters.end(), label) == 1) output.push_back(label);
  }
  return output;
}

Result<Equation> parse(NodeImport& node, const std::string& text) {
  Equation equation;
  const size_t arrow = text.find("->");
  std::string left = text.substr(0, arrow) + ",";
  size_t ellipsis = 0;
  for (size_t i = 0, begin = 0; i < node.inputs(); ++i) {
    const size_t end = left.find(',', begin);
    if (end == std::string::npos) return invalid_argument("equation has too few terms");
    const std::string term = left.substr(begin, end - begin);
    const auto letters = static_cast<size_t>(
        std::count_if(term.begin(), term.end(), [](char c) { return c != '.' && c != ' '; }));
    const size_t rank = node.shape(i).rank();
    const bool open = term.find('.') != std::string::npos;
    if (letters > rank || (!open && letters != rank)) {
      return invalid_argument("equation does not fit an input of " + node.shape(i).text());
    }
    if (open && i > 0 && ellipsis != 0 && ellipsis != rank - letters) {
      return unsupported("ellipses of different lengths");
    }
    if (open) ellipsis = rank - letters;
    TAOISM_ASSIGN_OR_RETURN(Labels labels, parse_term(term, ellipsis));
    equation.inputs.push_back(std::move(labels));
    begin = end + 1;
  }
  if (arrow == std::string::npos) {
    equation.output = implied_output(equation.inputs);
  } else {
    TAOISM_ASSIGN_OR_RETURN(equation.output, parse_term(text.substr(arrow + 2), ellipsis));
  }
  for (const Label label : equation.output) {
    const bool known = std::any_of(equation.inputs.begin(), equation.inputs.end(),
                                   [label](const Labels& labels) { return holds(labels, label); });
    if (!known) return invalid_argument("equation's output has a letter that no input has");
  }
  return equation;
}

// A tensor whose dimensions have labels.
struct Operand {
  Tensor tensor;
  Labels labels;
};

class Einsum {
 public:
  explicit Einsum(NodeImport& node) : node_(node) {}

  Status run() {
    TAOISM_RETURN_IF_ERROR(node_.expect_inputs(std::max<size_t>(node_.inputs(), 1)));
    if (node_.inputs() > 2) return unsupported("of more than two inputs");
    TAOISM_ASSIGN_OR_RETURN(const Equation equation, parse(node_, node_.attrs.s("equation", "")));
    std::vector<Operand> operands;
    for (size_t i = 0; i < node_.inputs(); ++i) {
      Operand operand{node_.input(i), equation.inputs[i]};
      TAOISM_RETURN_IF_ERROR(check_sizes(operand));
      Labels needed = equation.output;
      if (node_.inputs() == 2) {
        const Labels& other = equation.inputs[1 - i];
        needed.insert(needed.end(), other.begin(), other.end());
      }
      TAOISM_ASSIGN_OR_RETURN(operand, summed(std::move(operand), needed));
      operands.push_back(std::move(operand));
    }
    Operand result = operands[0];
    if (operands.size() == 2) {
      TAOISM_ASSIGN_OR_RETURN(result, multiplied(operands[0], operands[1], equation.output));
    }
    TAOISM_ASSIGN_OR_RETURN(result, ordered(std::move(result), equation.output));
    return node_.give(std::move(result.tensor));
  }

 private:
  Status check_sizes(const Operand& operand) {
    const ir::Shape& shape = node_.desc(operand.tensor).shape;
    for (size_t i = 0; i < operand.labels.size(); ++i) {
      const auto [it, added] = sizes_.emplace(operand.labels[i], shape[i]);
      if (!added && it->second != shape[i]) {
        return unsupported("a letter has sizes " + std::to_string(it->second) + " and " +
                           std::to_string(shape[i]));
      }
    }
    return {};
  }

  std::string suffix(const char* what) { return std::string("/") + what + std::to_string(next_++); }

  // Without the dimensions that nobody needs.
  Result<Operand> summed(Operand operand, const Labels& needed) {
    std::vector<int64_t> axes;
    Labels left;
    for (size_t i = 0; i < operand.labels.size(); ++i) {
      if (holds(needed, operand.labels[i])) {
        left.push_back(operand.labels[i]);
      } else {
        axes.push_back(static_cast<int64_t>(i));
      }
    }
    if (axes.empty()) return operand;
    ir::Attrs attrs;
    attrs.set("axes", std::move(axes));
    attrs.set("keepdims", int64_t{0});
    TAOISM_ASSIGN_OR_RETURN(operand.tensor, node_.emit("ReduceSum", {operand.tensor},
                                                       std::move(attrs), suffix("sum").c_str()));
    operand.labels = std::move(left);
    return operand;
  }

  Result<Operand> ordered(Operand operand, const Labels& order) {
    if (operand.labels == order) return operand;
    std::vector<int64_t> perm;
    for (const Label label : order) {
      perm.push_back(std::find(operand.labels.begin(), operand.labels.end(), label) -
                     operand.labels.begin());
    }
    ir::Attrs attrs;
    attrs.set("perm", std::move(perm));
    TAOISM_ASSIGN_OR_RETURN(operand.tensor, node_.emit("Transpose", {operand.tensor},
                                                       std::move(attrs), suffix("order").c_str()));
    operand.labels = order;
    return operand;
  }

  int64_t elements(const Labels& labels) {
    int64_t product = 1;
    for (const Label label : labels) product *= sizes_.at(label);
    return product;
  }

  // [batch, rows, columns] of the operand.
  Result<Tensor> matrix(const Operand& operand, const Labels& batch, const Labels& rows,
                        const Labels& columns) {
    Labels order = batch;
    order.insert(order.end(), rows.begin(), rows.end());
    order.insert(order.end(), columns.begin(), columns.end());
    TAOISM_ASSIGN_OR_RETURN(const Operand sorted, ordered(operand, order));
    return node_.reshape(sorted.tensor, {elements(batch), elements(rows), elements(columns)},
                         suffix("matrix").c_str());
  }

  Result<Operand> multiplied(const Operand& a, const Operand& b, const Labels& output) {
    Labels batch, sum, rows, columns;
    for (const Label label : a.labels) {
      const bool shared = holds(b.labels, label);
      (shared ? (holds(output, label) ? batch : sum) : rows).push_back(label);
    }
    for (const Label label : b.labels) {
      if (!holds(a.labels, label)) columns.push_back(label);
    }
    TAOISM_ASSIGN_OR_RETURN(const Tensor left, matrix(a, batch, rows, sum));
    TAOISM_ASSIGN_OR_RETURN(const Tensor right, matrix(b, batch, sum, columns));
    Operand product;
    TAOISM_ASSIGN_OR_RETURN(product.tensor, node_.emit("MatMul", {left, right}, {}, "/product"));
    ir::Shape shape;
    for (const Labels* part : {&batch, &rows, &columns}) {
      for (const Label label : *part) {
        if (shape.rank() == ir::kMaxRank) return unsupported("has too many dimensions");
        shape.push_back(sizes_.at(label));
        product.labels.push_back(label);
      }
    }
    TAOISM_ASSIGN_OR_RETURN(product.tensor, node_.reshape(product.tensor, shape, "/shape"));
    return product;
  }

  NodeImport& node_;
  std::unordered_map<Label, int64_t> sizes_;
  int next_ = 0;
};

Status import_einsum(NodeImport& node) { return Einsum(node).run(); }

constexpr ImportEntry kImports[] = {{"Einsum", import_einsum}};

}  // namespace

std::span<const ImportEntry> einsum_imports() { return kImports; }

}  // namespace taoism::onnx
