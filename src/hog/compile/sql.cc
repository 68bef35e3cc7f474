// sql(…), queries: syntax trees as dictionaries, for hosts that run them.
#include "hog/compile/compiler.h"

namespace penstock::hog {

Code Compiler::sql_node(std::string_view name,
                        const std::vector<std::pair<std::string_view, Code>>& fields) {
  Code out;
  const auto text = [&](std::string_view what) {
    emit(out, Slot::of(Op::kString));
    emit(out, Slot::of(std::string(what)));
  };
  text("__hx_ast");
  text(name);
  for (const auto& [field, code] : fields) {
    text(field);
    append(out, code);
  }
  emit(out, Slot::of(Op::kDict));
  emit(out, Slot::of(static_cast<double>(fields.size() + 1)));
  return out;
}

Code Compiler::sql_list(const std::vector<NodePtr>& list) {
  Code out;
  for (const NodePtr& one : list) append(out, sql_value(*one));
  emit(out, Slot::of(Op::kArray));
  emit(out, Slot::of(static_cast<double>(list.size())));
  return out;
}

Code Compiler::sql(const Node& node) {
  at_ = node.begin;
  return sql_value(node);
}

Code Compiler::sql_value(const Node& node) {
  const auto text = [&](std::string_view what) {
    return made(node, Op::kString, std::string(what));
  };
  // PostHog's compiler writes booleans of such trees as integers; machines push what they find.
  const auto flag = [&](bool what) { return made(node, Op::kInteger, what); };
  const auto kid = [&](size_t at) { return sql_value(*node.kids[at]); };
  switch (node.type) {
    case NodeType::kNothing:
    case NodeType::kNullConstant:
      if (node.type == NodeType::kNothing) return made(node, Op::kNull);
      return sql_node("Constant", {{"value", made(node, Op::kNull)}});
    case NodeType::kBoolConstant: return sql_node("Constant", {{"value", flag(node.flag)}});
    case NodeType::kNumberConstant:
    case NodeType::kStringConstant: return sql_node("Constant", {{"value", constant(node)}});
    case NodeType::kPlaceholder: return value(*node.kids[0]);
    case NodeType::kField: {
      Code names;
      for (const std::string& name : node.names) append(names, text(name));
      append(names, made(node, Op::kArray, static_cast<double>(node.names.size())));
      return sql_node("Field", {{"chain", names}});
    }
    case NodeType::kCall: {
      std::vector<std::pair<std::string_view, Code>> fields = {{"name", text(node.text)},
                                                               {"args", sql_list(node.kids)}};
      if (node.has_params) fields.emplace_back("params", sql_list(node.params));
      fields.emplace_back("distinct", flag(false));
      return sql_node("Call", fields);
    }
    case NodeType::kArithmetic:
      return sql_node("ArithmeticOperation",
                      {{"left", kid(0)}, {"right", kid(1)}, {"op", text(node.text)}});
    case NodeType::kCompare:
      return sql_node("CompareOperation",
                      {{"left", kid(0)}, {"right", kid(1)}, {"op", text(node.text)}});
    case NodeType::kAnd: return sql_node("And", {{"exprs", sql_list(node.kids)}});
    case NodeType::kOr: return sql_node("Or", {{"exprs", sql_list(node.kids)}});
    case NodeType::kNot: return sql_node("Not", {{"expr", kid(0)}});
    case NodeType::kArray: return sql_node("Array", {{"exprs", sql_list(node.kids)}});
    case NodeType::kTuple: return sql_node("Tuple", {{"exprs", sql_list(node.kids)}});
    case NodeType::kBetween:
      return sql_node(
          "BetweenExpr",
          {{"expr", kid(0)}, {"low", kid(1)}, {"high", kid(2)}, {"negated", flag(node.flag)}});
    case NodeType::kArrayAccess:
      return sql_node("ArrayAccess",
                      {{"array", kid(0)}, {"property", kid(1)}, {"nullish", flag(node.flag)}});
    case NodeType::kTupleAccess:
      return sql_node("TupleAccess", {{"tuple", kid(0)},
                                      {"index", made(node, Op::kInteger, node.number)},
                                      {"nullish", flag(node.flag)}});
    case NodeType::kLambda: {
      Code names;
      for (const std::string& name : node.names) append(names, text(name));
      append(names, made(node, Op::kArray, static_cast<double>(node.names.size())));
      return sql_node("Lambda", {{"args", names}, {"expr", kid(0)}});
    }
    case NodeType::kTag: return tag(node);
    case NodeType::kSqlNode: {
      std::vector<std::pair<std::string_view, Code>> fields;
      for (size_t i = 0; i < node.names.size(); i++) {
        const Node& field = *node.kids[i];
        if (field.type == NodeType::kSqlText) {
          fields.emplace_back(node.names[i], text(field.text));
        } else if (field.type == NodeType::kSqlFlag) {
          fields.emplace_back(node.names[i], flag(field.flag));
        } else if (field.type == NodeType::kSqlList) {
          fields.emplace_back(node.names[i], sql_list(field.kids));
        } else {
          fields.emplace_back(node.names[i], sql_value(field));
        }
      }
      return sql_node(node.text, fields);
    }
    default: fail("This is not part of what sql(…) can hold", node);
  }
}

}  // namespace penstock::hog
