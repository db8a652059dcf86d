// The model that plan_fuzz reads plans for; its seeds are plans for it too.
#pragma once

#include "graph_maker.h"

namespace taoism::fuzz {

inline constexpr const char* kModelHash = "0123456789abcdef";

inline ir::Graph plan_graph() {
  GraphMaker make;
  const auto x = make.input("x", {1, 2, 6, 6});
  const auto c = make.node("Conv", {x, make.weight({4, 2, 3, 3})});
  const auto b = make.node("BatchNormalization", {c, make.weight({4}), make.weight({4}),
                                                  make.weight({4}), make.weight({4})});
  const auto f = make.node("Reshape", {make.node("Relu", {b})}, GraphMaker::shape({1, 64}));
  return make.take(make.node("Linear", {f, make.weight({3, 64})}));
}

}  // namespace taoism::fuzz
