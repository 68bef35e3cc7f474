// The tree as JSON, in the names and shapes of PostHog's parser: what the tests compare.
#include <cmath>

#include "hog/compile/compiler.h"
#include "hog/syntax/parser.h"
#include "hog/values/json.h"
#include "hog/values/number.h"
#include "hog/values/text.h"

namespace penstock::hog {
namespace {

class TreeWriter {
 public:
  std::string take() { return std::move(out_); }

  void node(const Node& n) {
    switch (n.type) {
      case NodeType::kNullConstant: return constant("null");
      case NodeType::kBoolConstant: return constant(n.flag ? "true" : "false");
      case NodeType::kStringConstant: return constant(quoted(n.text));
      case NodeType::kNumberConstant: return number(n);
      case NodeType::kField: return object("Field", [&] { list("chain", n.names); });
      case NodeType::kCall: return call(n);
      case NodeType::kExprCall:
        return object("ExprCall", [&] {
          child("expr", *n.kids[0]);
          key("args");
          nodes(n.kids, 1);
        });
      case NodeType::kArithmetic:
      case NodeType::kCompare:
        return object(n.type == NodeType::kCompare ? "CompareOperation" : "ArithmeticOperation",
                      [&] {
                        child("left", *n.kids[0]);
                        child("right", *n.kids[1]);
                        text("op", n.text);
                        if (n.type == NodeType::kCompare && n.flag) {
                          flag("is_null_comparison_style", true);
                        }
                      });
      case NodeType::kAnd: return exprs("And", n);
      case NodeType::kOr: return exprs("Or", n);
      case NodeType::kArray: return exprs("Array", n);
      case NodeType::kTuple: return exprs("Tuple", n);
      case NodeType::kNot: return object("Not", [&] { child("expr", *n.kids[0]); });
      case NodeType::kBetween:
        return object("BetweenExpr", [&] {
          child("expr", *n.kids[0]);
          child("low", *n.kids[1]);
          child("high", *n.kids[2]);
          flag("negated", n.flag);
        });
      case NodeType::kDict: return dict(n);
      case NodeType::kArrayAccess:
        return object("ArrayAccess", [&] {
          child("array", *n.kids[0]);
          child("property", *n.kids[1]);
          if (n.flag) flag("nullish", true);
        });
      case NodeType::kTupleAccess:
        return object("TupleAccess", [&] {
          child("tuple", *n.kids[0]);
          key("index");
          out_ += number_text(n.number);
          if (n.flag) flag("nullish", true);
        });
      case NodeType::kLambda:
        return object("Lambda", [&] {
          list("args", n.names);
          child("expr", *n.kids[0]);
        });
      case NodeType::kTag: return tag(n);
      case NodeType::kTypeCast:
        return object("TypeCast", [&] {
          child("expr", *n.kids[0]);
          text("type_name", to_lower(n.text));
        });
      case NodeType::kDistinct:
        return object("IsDistinctFrom", [&] {
          child("left", *n.kids[0]);
          child("right", *n.kids[1]);
          flag("negated", n.flag);
        });
      case NodeType::kPlaceholder: return object("Placeholder", [&] { child("expr", *n.kids[0]); });
      case NodeType::kSqlNode: return object(n.text, [&] { sql_fields(n); });
      default: statement(n);
    }
  }

 private:
  static std::string quoted(std::string_view what) {
    std::string out;
    append_json_string(out, what);
    return out;
  }
  template <typename Fields>
  void object(std::string_view name, Fields fields) {
    out_ += "{\"node\":\"";
    out_ += name;
    out_ += '"';
    fields();
    out_ += '}';
  }
  void key(std::string_view name) { out_ += ",\"" + std::string(name) + "\":"; }
  void text(std::string_view name, std::string_view value) {
    key(name);
    out_ += quoted(value);
  }
  void flag(std::string_view name, bool value) {
    key(name);
    out_ += value ? "true" : "false";
  }
  void child(std::string_view name, const Node& value) {
    key(name);
    node(value);
  }
  void optional(std::string_view name, const Node& parent, size_t at) {
    key(name);
    if (at < parent.kids.size() && parent.kids[at]->type != NodeType::kNothing) {
      node(*parent.kids[at]);
    } else {
      out_ += "null";
    }
  }
  void nodes(const std::vector<NodePtr>& list, size_t from = 0) {
    out_ += '[';
    for (size_t i = from; i < list.size(); i++) {
      if (i > from) out_ += ',';
      node(*list[i]);
    }
    out_ += ']';
  }
  void list(std::string_view name, const std::vector<std::string>& items) {
    key(name);
    out_ += '[';
    for (size_t i = 0; i < items.size(); i++) out_ += (i > 0 ? "," : "") + quoted(items[i]);
    out_ += ']';
  }
  void constant(std::string_view json) {
    object("Constant", [&] {
      key("value");
      out_ += json;
    });
  }
  void exprs(std::string_view name, const Node& n) {
    object(name, [&] {
      key("exprs");
      nodes(n.kids);
    });
  }
  void number(const Node& n) {
    constexpr double kWholeMax = 9.2e18;
    if (std::isfinite(n.number) && (n.flag || std::fabs(n.number) < kWholeMax)) {
      return constant(number_text(n.number));
    }
    object("Constant", [&] {
      text("value", std::isnan(n.number)   ? "NaN"
                    : std::isinf(n.number) ? number_text(n.number)
                                           : n.text);
      text("value_type", "number");
    });
  }
  void call(const Node& n) {
    object("Call", [&] {
      text("name", n.text);
      key("args");
      nodes(n.kids);
      if (n.flag) return;
      key("params");
      if (n.has_params) {
        nodes(n.params);
      } else {
        out_ += "null";
      }
      out_ += ",\"distinct\":false,\"filter_expr\":null,\"order_by\":null";
    });
  }
  void dict(const Node& n) {
    object("Dict", [&] {
      key("items");
      out_ += '[';
      for (size_t i = 0; i + 1 < n.kids.size(); i += 2) {
        out_ += i > 0 ? ",[" : "[";
        node(*n.kids[i]);
        out_ += ',';
        node(*n.kids[i + 1]);
        out_ += ']';
      }
      out_ += ']';
    });
  }
  void tag(const Node& n) {
    object("HogQLXTag", [&] {
      text("kind", n.text);
      key("attributes");
      out_ += '[';
      for (size_t i = 0; i < n.names.size(); i++) {
        if (i > 0) out_ += ',';
        object("HogQLXAttribute", [&] {
          text("name", n.names[i]);
          key("value");
          const Node& value = *n.kids[i];
          if (n.names[i] == "children" && value.type == NodeType::kArray &&
              i + 1 == n.names.size()) {
            nodes(value.kids);
          } else {
            node(value);
          }
        });
      }
      out_ += ']';
    });
  }
  void sql_fields(const Node& n) {
    for (size_t i = 0; i < n.names.size(); i++) {
      key(n.names[i]);
      const Node& value = *n.kids[i];
      switch (value.type) {
        case NodeType::kSqlText: out_ += quoted(value.text); break;
        case NodeType::kSqlFlag: out_ += value.flag ? "true" : "false"; break;
        case NodeType::kSqlList: nodes(value.kids); break;
        default: node(value);
      }
    }
  }
  void statement(const Node& n) {
    switch (n.type) {
      case NodeType::kProgram:
      case NodeType::kBlock:
        return object(n.type == NodeType::kProgram ? "Program" : "Block", [&] {
          key("declarations");
          nodes(n.kids);
        });
      case NodeType::kDeclaration:
        return object("VariableDeclaration", [&] {
          text("name", n.text);
          optional("expr", n, 0);
        });
      case NodeType::kAssignment:
        return object("VariableAssignment", [&] {
          child("left", *n.kids[0]);
          child("right", *n.kids[1]);
        });
      case NodeType::kExpression:
        return object("ExprStatement", [&] { child("expr", *n.kids[0]); });
      case NodeType::kReturn: return object("ReturnStatement", [&] { optional("expr", n, 0); });
      case NodeType::kThrow: return object("ThrowStatement", [&] { child("expr", *n.kids[0]); });
      case NodeType::kIf:
        return object("IfStatement", [&] {
          child("expr", *n.kids[0]);
          child("then", *n.kids[1]);
          optional("else_", n, 2);
        });
      case NodeType::kWhile:
        return object("WhileStatement", [&] {
          child("expr", *n.kids[0]);
          child("body", *n.kids[1]);
        });
      case NodeType::kFor:
        return object("ForStatement", [&] {
          optional("initializer", n, 0);
          optional("condition", n, 1);
          optional("increment", n, 2);
          child("body", *n.kids[3]);
        });
      case NodeType::kForIn:
        return object("ForInStatement", [&] {
          key("keyVar");
          out_ += n.names.size() == 2 ? quoted(n.names[0]) : "null";
          text("valueVar", n.names.back());
          child("expr", *n.kids[0]);
          child("body", *n.kids[1]);
        });
      case NodeType::kFunction:
        return object("Function", [&] {
          text("name", n.text);
          list("params", n.names);
          child("body", *n.kids[0]);
        });
      case NodeType::kTry: return try_statement(n);
      default: out_ += "null";
    }
  }
  void try_statement(const Node& n) {
    const auto catches = static_cast<size_t>(n.number);
    object("TryCatchStatement", [&] {
      child("try_stmt", *n.kids[0]);
      key("catches");
      out_ += '[';
      for (size_t i = 0; i < catches; i++) {
        const auto name = [&](size_t at) {
          return n.names[at].empty() ? std::string("null") : quoted(n.names[at]);
        };
        out_ += (i > 0 ? ",[" : "[") + name(2 * i) + ',' + name(2 * i + 1) + ',';
        node(*n.kids[1 + i]);
        out_ += ']';
      }
      out_ += ']';
      optional("finally_stmt", n, 1 + catches);
    });
  }

  std::string out_;
};

}  // namespace

std::expected<std::string, Diagnostic> syntax_json(std::string_view source, Grammar grammar) {
  const CompileOptions options;
  try {
    NodePtr tree;
    switch (grammar) {
      case Grammar::kProgram: tree = Parser(source).program(); break;
      case Grammar::kExpression: tree = Parser(source).whole_expression(); break;
      case Grammar::kTemplate: tree = Parser::whole_template(source); break;
    }
    TreeWriter writer;
    writer.node(*tree);
    return writer.take();
  } catch (const SyntaxError& error) {
    return std::unexpected(
        Compiler(source, options).diagnostic(error.message, error.begin, error.end));
  }
}

}  // namespace penstock::hog
