#include "ir/codec.h"

#include <gtest/gtest.h>

#include <functional>

#include "ir/flat.h"

namespace taoism::ir {
namespace {

const TensorDesc kDesc{DType::f32, {1, 4}};

// x -> split -> low, high; low -> scale (tee; weight w, then an absent input) -> scaled;
// join(scaled, high, w) -> y. Four segments' worth of everything that an encoding can hold.
struct Net {
  PartitionedGraph p;
  ValueId x, w, low, high, scaled, y, nothing, unread;

  Graph& graph() { return p.graph; }
  Node& split() { return p.graph.node(0); }
  Node& scale() { return p.graph.node(1); }
  Node& join() { return p.graph.node(2); }
};

Attrs every_kind() {
  Attrs attrs;
  attrs.set("integer", INT64_MIN);
  attrs.set("real", 0.25F);
  attrs.set("text", std::string("with a \0 in it", 14));
  attrs.set("integers", std::vector<int64_t>{3, -1, INT64_MAX});
  attrs.set("reals", std::vector<float>{1.5F, -2});
  attrs.set("no text", std::string());
  attrs.set("no integers", std::vector<int64_t>{});
  attrs.set("no reals", std::vector<float>{});
  return attrs;
}

Net make_net() {
  Net net;
  Graph& g = net.graph();
  g.name = "net";
  const auto weight = make_f32_constant({1, 4}, std::vector<float>{1, 2, 3, 4});
  net.low = g.add_value("low", kDesc);  // ids are not in the order in which values are made
  net.w = g.add_constant("w", weight);
  net.x = g.add_input("x", {DType::f32, {1, 8}});
  net.high = g.add_value("high", kDesc);
  net.scaled = g.add_value("scaled", kDesc);
  net.y = g.add_value("y", {DType::f32, {}});
  net.nothing = g.add_input("nothing", {DType::i64, {0, 3}});
  const ValueId again = g.add_constant("w again", weight);
  net.unread = g.add_constant("unread", make_i64_constant({1}, std::vector<int64_t>{7}));
  g.value(net.low).is_private = false;
  g.add_node({"Split",
              "split",
              {net.x},
              {net.low, net.high},
              every_kind(),
              Placement::device,
              "a reason",
              "source"});
  g.add_node({"Scale",
              "scale",
              {net.low, net.w, kNoValue},
              {net.scaled, kNoValue},
              {},
              Placement::tee,
              "",
              ""});
  g.add_node({"Join",
              "join",
              {net.scaled, net.high, again, net.nothing},
              {net.y},
              {},
              Placement::device,
              "",
              ""});
  g.set_outputs({net.y});
  net.p.segments = {{Placement::device, {0}, {net.x, net.nothing}, {net.low}},
                    {Placement::tee, {1}, {net.low}, {net.scaled}},
                    {Placement::device, {2}, {net.scaled}, {net.y}}};
  return net;
}

void expect_same(const PartitionedGraph& a, const PartitionedGraph& b) {
  EXPECT_EQ(a.graph.name, b.graph.name);
  EXPECT_EQ(a.graph.inputs(), b.graph.inputs());
  EXPECT_EQ(a.graph.outputs(), b.graph.outputs());
  ASSERT_EQ(a.graph.value_count(), b.graph.value_count());
  for (size_t v = 0; v < a.graph.value_count(); ++v) {
    const Value& left = a.graph.value(static_cast<ValueId>(v));
    const Value& right = b.graph.value(static_cast<ValueId>(v));
    EXPECT_EQ(left.name, right.name);
    EXPECT_EQ(left.desc, right.desc) << left.name;
    EXPECT_EQ(left.producer, right.producer) << left.name;
    EXPECT_EQ(left.constant, right.constant) << left.name;
    EXPECT_EQ(left.is_private, right.is_private) << left.name;
  }
  ASSERT_EQ(a.graph.node_count(), b.graph.node_count());
  for (size_t n = 0; n < a.graph.node_count(); ++n) {
    const Node& left = a.graph.node(static_cast<NodeId>(n));
    const Node& right = b.graph.node(static_cast<NodeId>(n));
    EXPECT_EQ(std::tie(left.op, left.name, left.inputs, left.outputs, left.attrs, left.placement,
                       left.why, left.origin),
              std::tie(right.op, right.name, right.inputs, right.outputs, right.attrs,
                       right.placement, right.why, right.origin));
  }
  ASSERT_EQ(a.segments.size(), b.segments.size());
  for (size_t s = 0; s < a.segments.size(); ++s) {
    EXPECT_EQ(a.segments[s].placement, b.segments[s].placement);
    EXPECT_EQ(a.segments[s].nodes, b.segments[s].nodes);
    EXPECT_EQ(a.segments[s].inputs, b.segments[s].inputs);
    EXPECT_EQ(a.segments[s].outputs, b.segments[s].outputs);
  }
}

TEST(Codec, RoundTrip) {
  Net net = make_net();
  const EncodedGraph encoded = encode(net.p);
  const auto decoded = decode(encoded.bytes, encoded.constants);
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  net.graph().value(net.unread).constant = nullptr;
  expect_same(*decoded, net.p);
  std::vector<std::shared_ptr<const Constant>> constants;
  EXPECT_EQ(encode(*decoded, constants), encoded.bytes);
  EXPECT_EQ(constants, encoded.constants);
}

TEST(Codec, RoundTripOfNothing) {
  const EncodedGraph encoded = encode(PartitionedGraph{});
  const auto decoded = decode(encoded.bytes, {});
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  expect_same(*decoded, {});
}

TEST(Codec, WhereverTheBytesLie) {
  const Net net = make_net();
  const EncodedGraph encoded = encode(net.p);
  for (size_t shift = 0; shift < 8; ++shift) {
    std::vector<std::byte> moved(shift);
    moved.insert(moved.end(), encoded.bytes.begin(), encoded.bytes.end());
    EXPECT_TRUE(decode(ConstByteSpan(moved).subspan(shift), encoded.constants).ok()) << shift;
  }
}

TEST(Codec, SharesConstants) {
  Net first = make_net();
  const EncodedGraph encoded = encode(first.p);
  ASSERT_EQ(encoded.constants.size(), 1U);  // w and "w again"; nobody reads the third
  EXPECT_EQ(encoded.constants[0], first.graph().value(first.w).constant);

  // A second graph reads the same memory, through another owner, and as another type.
  Net second = make_net();
  Graph& g = second.graph();
  const Constant& weight = *encoded.constants[0];
  g.value(second.w).constant = std::make_shared<Constant>(weight);
  const TensorDesc flat{DType::f32, {4}};
  const ValueId last = second.join().inputs[2];
  g.value(last).desc = flat;
  g.value(last).constant = std::make_shared<Constant>(Constant{flat, weight.data, weight.owner});
  std::vector<std::shared_ptr<const Constant>> constants = encoded.constants;
  const std::vector<std::byte> bytes = encode(second.p, constants);
  ASSERT_EQ(constants.size(), 2U);
  EXPECT_EQ(constants[0], encoded.constants[0]);
  const auto decoded = decode(bytes, constants);
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  EXPECT_EQ(decoded->graph.value(second.w).constant, constants[0]);
  EXPECT_EQ(decoded->graph.value(last).constant, constants[1]);
  EXPECT_TRUE(decode(encoded.bytes, constants).ok());
}

TEST(Codec, RefusesEveryTruncation) {
  const EncodedGraph encoded = encode(make_net().p);
  for (size_t size = 0; size < encoded.bytes.size(); ++size) {
    const std::vector<std::byte> cut(encoded.bytes.begin(),
                                     encoded.bytes.begin() + static_cast<ptrdiff_t>(size));
    const auto decoded = decode(cut, encoded.constants);
    EXPECT_EQ(decoded.code(), Code::integrity) << size;
  }
}

TEST(Codec, SurvivesEveryFlip) {
  const EncodedGraph encoded = encode(make_net().p);
  size_t refused = 0;
  for (size_t at = 0; at < encoded.bytes.size(); ++at) {
    for (int flip = 1; flip < 256; ++flip) {
      std::vector<std::byte> bytes = encoded.bytes;
      bytes[at] ^= static_cast<std::byte>(flip);
      const auto decoded = decode(bytes, encoded.constants);
      if (decoded.ok()) {
        ASSERT_TRUE(decoded->graph.verify().ok()) << at << ' ' << flip;
      } else {
        ASSERT_EQ(decoded.code(), Code::integrity);
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, encoded.bytes.size() * 64);
}

TEST(Codec, RefusesBrokenGraphs) {
  struct Case {
    const char* why;
    std::function<void(Net&)> spoil;
  };
  const std::string long_text(flat::kMaxText + 1, 'a');
  const auto set_desc = [](DType dtype, Shape shape) {
    return [=](Net& net) { net.graph().value(net.high).desc = {dtype, shape}; };
  };
  const auto add_output = [](size_t segment, ValueId Net::*value) {
    return [=](Net& net) { net.p.segments[segment].outputs.push_back(net.*value); };
  };
  const Case cases[] = {
      {"malformed encoding", [&](Net& n) { n.graph().name = long_text; }},
      {"malformed encoding", [&](Net& n) { n.graph().value(n.y).name = long_text; }},
      {"malformed encoding", [&](Net& n) { n.split().why = long_text; }},
      {"malformed encoding", [&](Net& n) { n.split().attrs.set(long_text, int64_t{1}); }},
      {"malformed encoding", [&](Net& n) { n.split().attrs.set("text", long_text); }},
      {"malformed encoding",
       [](Net& n) {
         for (size_t i = 0; i < flat::kMaxAttrs; ++i)
           n.split().attrs.set(std::to_string(i), int64_t{1});
       }},
      {"type is out of bounds", set_desc(DType{0}, {1})},
      {"type is out of bounds", set_desc(DType{200}, {1})},
      {"type is out of bounds", set_desc(DType::f32, {Shape::kDynamic, 4})},
      {"type is out of bounds", set_desc(DType::f32, {int64_t{1} << 40, 2})},
      {"type is out of bounds", set_desc(DType::f32, {int64_t{1} << 62, int64_t{1} << 62})},
      {"type is out of bounds", set_desc(DType::f32, {0, int64_t{1} << 40, int64_t{1} << 40})},
      {"constant is not of its value's type",
       [](Net& n) { n.graph().value(n.w).desc.dtype = DType::i32; }},
      {"graph input is out of range",
       [](Net& n) {
         n.graph().set_inputs({n.x, 99});
       }},
      {"graph input is out of range", [](Net& n) { n.graph().set_inputs({kNoValue}); }},
      {"graph input is a constant", [](Net& n) { n.graph().set_inputs({n.w}); }},
      {"graph input is listed twice",
       [](Net& n) {
         n.graph().set_inputs({n.x, n.x});
       }},
      {"graph output is out of range", [](Net& n) { n.graph().set_outputs({99}); }},
      {"graph output is out of range", [](Net& n) { n.graph().set_outputs({kNoValue}); }},
      {"graph output is not an output of a segment",
       [](Net& n) { n.graph().set_outputs({n.high}); }},
      {"graph output is not an output of a segment", [](Net& n) { n.graph().set_outputs({n.x}); }},
      {"node is on no side", [](Net& n) { n.split().placement = Placement::automatic; }},
      {"node is on no side", [](Net& n) { n.split().placement = Placement{3}; }},
      {"output is out of range", [](Net& n) { n.split().outputs[1] = -2; }},
      {"output is out of range", [](Net& n) { n.split().outputs[1] = 99; }},
      {"made twice", [](Net& n) { n.scale().outputs[1] = n.high; }},
      {"made twice",
       [](Net& n) {
         n.split().outputs = {n.low, n.low};
       }},
      {"structure is broken", [](Net& n) { n.split().outputs[1] = n.w; }},
      {"structure is broken", [](Net& n) { n.split().outputs[1] = n.x; }},
      {"structure is broken", [](Net& n) { n.split().name = "join"; }},
      {"structure is broken", [](Net& n) { std::swap(n.split(), n.scale()); }},
      {"segment is on no side", [](Net& n) { n.p.segments[0].placement = Placement::automatic; }},
      {"segment's node is out of range",
       [](Net& n) {
         n.p.segments[0].nodes = {0, 3};
       }},
      {"segment's node is out of range", [](Net& n) { n.p.segments[0].nodes = {-1}; }},
      {"in two segments",
       [](Net& n) {
         n.p.segments[2].nodes = {0, 2};
       }},
      {"in two segments",
       [](Net& n) {
         n.p.segments[0].nodes = {0, 0};
       }},
      {"in a segment of the other side", [](Net& n) { n.scale().placement = Placement::device; }},
      {"in no segment", [](Net& n) { n.p.segments.pop_back(); }},
      {"has not reached its side",
       [](Net& n) {
         n.scale().placement = Placement::device;
         n.p.segments = {{Placement::device, {1, 0, 2}, {n.x, n.nothing}, {n.y}}};
       }},
      {"has not reached its side", [](Net& n) { n.p.segments[0].inputs = {n.nothing}; }},
      {"has not reached its side", [](Net& n) { n.p.segments[1].inputs.clear(); }},
      {"segment's input is out of range", [](Net& n) { n.p.segments[0].inputs[0] = kNoValue; }},
      {"segment's input is out of range", [](Net& n) { n.p.segments[0].inputs[0] = 99; }},
      {"not made before it", [](Net& n) { n.p.segments[1].inputs.push_back(n.high); }},
      {"not made before it", [](Net& n) { n.p.segments[1].inputs.push_back(n.w); }},
      {"not made before it", [](Net& n) { n.p.segments[0].inputs.push_back(n.scaled); }},
      {"not made before it", [](Net& n) { std::swap(n.p.segments[0], n.p.segments[1]); }},
      {"output is out of range", [](Net& n) { n.p.segments[0].outputs = {kNoValue}; }},
      {"output is out of range", [](Net& n) { n.p.segments[0].outputs = {99}; }},
      {"output is not made in it", add_output(0, &Net::scaled)},
      {"output is not made in it", add_output(2, &Net::low)},
      {"output is not made in it", add_output(0, &Net::x)},
      {"output is not made in it", add_output(0, &Net::w)},
      {"output is listed twice", add_output(0, &Net::low)},
  };
  for (const Case& test : cases) {
    Net net = make_net();
    test.spoil(net);
    const EncodedGraph encoded = encode(net.p);
    const auto decoded = decode(encoded.bytes, encoded.constants);
    EXPECT_EQ(decoded.code(), Code::integrity) << test.why;
    EXPECT_NE(decoded.status().message().find(test.why), std::string::npos)
        << "wanted: " << test.why << "; got: " << decoded.status().message();
  }
}

TEST(Codec, RefusesAnotherTableOfConstants) {
  const EncodedGraph encoded = encode(make_net().p);
  const std::shared_ptr<const Constant> other = make_f32_constant({4}, std::vector<float>(4));
  const std::shared_ptr<const Constant> absent;
  EXPECT_EQ(decode(encoded.bytes, {}).code(), Code::integrity);
  EXPECT_EQ(decode(encoded.bytes, {&other, 1}).code(), Code::integrity);
  EXPECT_EQ(decode(encoded.bytes, {&absent, 1}).code(), Code::integrity);
}

TEST(Codec, RefusesAnotherVersionAndAnotherFormat) {
  flatbuffers::FlatBufferBuilder builder;
  const auto finish = [&](uint32_t version, const char* identifier) {
    builder.Clear();
    const auto name = builder.CreateString("");
    const auto ids = builder.CreateVector(std::vector<int32_t>{});
    const auto values = builder.CreateVector(std::vector<flatbuffers::Offset<fbs::Value>>{});
    const auto nodes = builder.CreateVector(std::vector<flatbuffers::Offset<fbs::Node>>{});
    const auto segments = builder.CreateVector(std::vector<flatbuffers::Offset<fbs::Segment>>{});
    builder.Finish(fbs::CreateGraph(builder, version, name, values, ids, ids, nodes, segments),
                   identifier);
    return decode(flat::finished_bytes(builder), {});
  };
  EXPECT_TRUE(finish(1, "TAOG").ok());
  EXPECT_EQ(finish(2, "TAOG").code(), Code::integrity);
  EXPECT_EQ(finish(1, "TAOP").code(), Code::integrity);
}

// One text of a thousand bytes, which a thousand values call their name.
TEST(Codec, RefusesPartsThatStandForMany) {
  const auto decode_values = [](size_t count) {
    flatbuffers::FlatBufferBuilder builder;
    const auto name = builder.CreateString(std::string(1000, 'a'));
    const auto desc = flat::write_desc(builder, kDesc);
    std::vector<flatbuffers::Offset<fbs::Value>> list;
    for (size_t i = 0; i < count; ++i) list.push_back(fbs::CreateValue(builder, name, desc));
    const auto ids = builder.CreateVector(std::vector<int32_t>{});
    const auto values = builder.CreateVector(list);
    const auto nodes = builder.CreateVector(std::vector<flatbuffers::Offset<fbs::Node>>{});
    const auto segments = builder.CreateVector(std::vector<flatbuffers::Offset<fbs::Segment>>{});
    const auto text = builder.CreateString("");
    builder.Finish(fbs::CreateGraph(builder, 1, text, values, ids, ids, nodes, segments), "TAOG");
    return decode(flat::finished_bytes(builder), {});
  };
  EXPECT_TRUE(decode_values(1).ok());
  EXPECT_EQ(decode_values(1000).code(), Code::integrity);
}

}  // namespace
}  // namespace taoism::ir
