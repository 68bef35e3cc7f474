// AST dictionaries as SQL, the way PostHog's machine prints them: calls for operators.

#include "hog/values/compare.h"
#include "hog/values/print.h"

namespace penstock::hog {
namespace {

class SqlPrinter {
 public:
  SqlPrinter(Heap& heap, std::string& out) : heap_(heap), out_(out) {}

  void node(const Value& value, int depth) {
    if (depth > 200) throw Failure{"The query is nested too deeply to be printed"};
    if (!value.is(Kind::kObject)) return append_value(heap_, out_, value, depth);
    auto& object = value.as<Object>();
    const Value* type = heap_.find(object, "__hx_ast");
    if (type == nullptr || !type->is_string()) return append_value(heap_, out_, value, depth);
    const std::string name(type->text());
    if (name == "Constant") return append_value(heap_, out_, part(object, "value"), depth);
    if (name == "Field") return field(object);
    if (name == "Call") return call(object, depth);
    if (name == "And" || name == "Or") {
      out_ += name == "And" ? "and(" : "or(";
      list(part(object, "exprs"), depth);
      out_ += ')';
      return;
    }
    if (name == "Not") return wrapped("not(", part(object, "expr"), depth);
    if (name == "Array") {
      out_ += '[';
      list(part(object, "exprs"), depth);
      out_ += ']';
      return;
    }
    if (name == "Tuple") {
      out_ += "tuple(";
      list(part(object, "exprs"), depth);
      out_ += ')';
      return;
    }
    if (name == "ArithmeticOperation") return arithmetic(object, depth);
    if (name == "CompareOperation") return comparison(object, depth);
    if (name == "Alias") {
      node(part(object, "expr"), depth + 1);
      out_ += " AS ";
      append_identifier(out_, text(object, "alias"));
      return;
    }
    if (name == "OrderExpr") {
      node(part(object, "expr"), depth + 1);
      out_ += ' ' + text(object, "order");
      return;
    }
    if (name == "SelectQuery") return select(object, depth);
    if (name == "JoinExpr") return join(object, depth);
    throw Failure{"Unknown AST node type: " + name};
  }

 private:
  Value part(Object& object, std::string_view name) {
    const Value* found = heap_.find(object, name);
    return found == nullptr ? Value() : *found;
  }
  std::string text(Object& object, std::string_view name) {
    return to_js_string(heap_, part(object, name));
  }
  void list(const Value& items, int depth) {
    if (!items.is(Kind::kArray)) return;
    auto& array = items.as<Array>();
    for (size_t i = 0; i < array.size; i++) {
      if (i > 0) out_ += ", ";
      node(heap_.item(array, i), depth + 1);
    }
  }
  void wrapped(std::string_view open, const Value& value, int depth) {
    out_ += open;
    node(value, depth + 1);
    out_ += ')';
  }
  void two(std::string_view name, Object& object, int depth) {
    out_ += name;
    out_ += '(';
    node(part(object, "left"), depth + 1);
    out_ += ", ";
    node(part(object, "right"), depth + 1);
    out_ += ')';
  }
  void field(Object& object) {
    const Value chain = part(object, "chain");
    if (!chain.is(Kind::kArray)) return;
    auto& array = chain.as<Array>();
    for (size_t i = 0; i < array.size; i++) {
      if (i > 0) out_ += '.';
      const std::string name = to_js_string(heap_, heap_.item(array, i));
      if (name == "*") {
        out_ += '*';
      } else {
        append_identifier(out_, name);
      }
    }
  }
  void call(Object& object, int depth) {
    out_ += text(object, "name");
    if (const Value params = part(object, "params"); params.is(Kind::kArray)) {
      out_ += '(';
      list(params, depth);
      out_ += ')';
    }
    out_ += truthy(part(object, "distinct")) ? "(DISTINCT " : "(";
    list(part(object, "args"), depth);
    out_ += ')';
  }
  void arithmetic(Object& object, int depth) {
    const std::string op = text(object, "op");
    two(op == "+"   ? "plus"
        : op == "-" ? "minus"
        : op == "*" ? "multiply"
        : op == "/" ? "divide"
                    : "modulo",
        object, depth);
  }
  void comparison(Object& object, int depth) {
    static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
        {"==", "equals"},
        {"!=", "notEquals"},
        {">", "greater"},
        {">=", "greaterOrEquals"},
        {"<", "less"},
        {"<=", "lessOrEquals"},
        {"like", "like"},
        {"ilike", "ilike"},
        {"not like", "notLike"},
        {"not ilike", "notILike"},
        {"in", "in"},
        {"not in", "notIn"},
        {"=~", "match"}};
    const std::string op = text(object, "op");
    for (const auto& [symbol, name] : kNames) {
      if (symbol == op) return two(name, object, depth);
    }
    throw Failure{"Unknown comparison operator: " + op};
  }
  void clause(Object& object, std::string_view name, std::string_view words, int depth) {
    const Value value = part(object, name);
    if (value.is_nothing()) return;
    out_ += words;
    if (value.is(Kind::kArray)) return list(value, depth);
    node(value, depth + 1);
  }
  void select(Object& object, int depth) {
    if (depth > 0) out_ += '(';
    out_ += truthy(part(object, "distinct")) ? "SELECT DISTINCT " : "SELECT ";
    list(part(object, "select"), depth);
    clause(object, "select_from", " FROM ", depth);
    clause(object, "prewhere", " PREWHERE ", depth);
    clause(object, "where", " WHERE ", depth);
    clause(object, "group_by", " GROUP BY ", depth);
    clause(object, "having", " HAVING ", depth);
    clause(object, "order_by", " ORDER BY ", depth);
    clause(object, "limit", " LIMIT ", depth);
    clause(object, "offset", " OFFSET ", depth);
    if (depth > 0) out_ += ')';
  }
  void join(Object& object, int depth) {
    if (const Value how = part(object, "join_type"); !how.is_nothing()) {
      out_ += to_js_string(heap_, how) + ' ';
    }
    node(part(object, "table"), depth + 1);
    if (const Value alias = part(object, "alias"); alias.is_string()) {
      out_ += " AS ";
      append_identifier(out_, alias.text());
    }
    if (const Value on = part(object, "constraint"); on.is(Kind::kObject)) {
      out_ += ' ' + text(on.as<Object>(), "constraint_type") + ' ';
      node(part(on.as<Object>(), "expr"), depth + 1);
    }
    if (const Value next = part(object, "next_join"); !next.is_nothing()) {
      out_ += ' ';
      node(next, depth + 1);
    }
  }

  Heap& heap_;
  std::string& out_;
};

}  // namespace

void append_sql(Heap& heap, std::string& out, const Value& ast, int) {
  SqlPrinter(heap, out).node(ast, 0);
}

}  // namespace penstock::hog
