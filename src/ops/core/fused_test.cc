#include "ops/fused.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

using kernels::ActivationKind;

TEST(Fused, SurvivesARoundTripThroughAttributes) {
  for (const char* op :
       {"Relu", "LeakyRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh"}) {
    const auto activation = activation_of(op, {});
    ASSERT_TRUE(activation.has_value()) << op;
    ir::Attrs attrs;
    set_fused_activation(attrs, *activation);
    EXPECT_EQ(attrs.s("activation"), op);
    const auto back = fused_activation(attrs);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->kind, activation->kind);
    EXPECT_EQ(back->a, activation->a);
    EXPECT_EQ(back->b, activation->b);
  }
}

TEST(Fused, NoneIsNoAttribute) {
  ir::Attrs attrs = attrs_for_testing({{"activation", "Clip"}, {"activation_a", 1.0F}});
  set_fused_activation(attrs, {});
  EXPECT_TRUE(attrs.entries().empty());
  EXPECT_EQ(fused_activation(attrs)->kind, ActivationKind::none);
}

TEST(Fused, ReadsAnActivationsOwnAttributes) {
  EXPECT_FALSE(activation_of("Conv", {}).has_value());
  EXPECT_EQ(activation_of("LeakyRelu", {})->a, 0.01F);
  const auto clip = *activation_of("Clip", attrs_for_testing({{"max", 6.0F}}));
  EXPECT_EQ(clip.a, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(clip.b, 6.0F);
  EXPECT_EQ(fused_activation(attrs_for_testing({{"activation", "Gulp"}})).code(),
            Code::unsupported);
}

TEST(Fused, KnownValues) {
  EXPECT_EQ(activate(-3, {ActivationKind::relu}), 0);
  EXPECT_EQ(activate(-2, {ActivationKind::leaky_relu, 0.5F}), -1);
  EXPECT_EQ(activate(9, {ActivationKind::clip, 0, 6}), 6);
  EXPECT_EQ(activate(0, {ActivationKind::clip, 3, -1}), -1);  // the maximum wins
  EXPECT_EQ(activate(0, {ActivationKind::sigmoid}), 0.5);
  EXPECT_EQ(activate(1, {ActivationKind::hard_sigmoid, 0.25F, 0.5F}), 0.75);
  EXPECT_EQ(activate(3, {ActivationKind::hard_swish}), 3);
  EXPECT_EQ(activate(-3, {ActivationKind::hard_swish}), 0);
  EXPECT_NEAR(activate(1, {ActivationKind::erf}), 0.8427007929, 1e-9);
  EXPECT_NEAR(activate(1, {ActivationKind::gelu}), 0.8413447461, 1e-9);
  EXPECT_NEAR(activate(1, {ActivationKind::gelu_tanh}), 0.8411919906, 1e-9);
  EXPECT_NEAR(activate(1, {ActivationKind::swish, 1}), 0.7310585786, 1e-9);
  EXPECT_NEAR(activate(-1, {ActivationKind::elu, 1, 1}), -0.6321205588, 1e-9);
  EXPECT_NEAR(activate(1, {ActivationKind::mish}), 0.8650983883, 1e-9);
  EXPECT_TRUE(std::isnan(activate(std::nan(""), {ActivationKind::relu})));
}

}  // namespace
}  // namespace taoism::ops
