// Queries inside programs: the part of SQL whose trees Hog can hold. What is not here (unions,
// windows, sampling) is a clear error.
#include "hog/syntax/parser.h"

namespace penstock::hog {
namespace {

NodePtr leaf(NodeType type, std::string text, bool flag, size_t at) {
  auto node = std::make_unique<Node>();
  node->type = type;
  node->text = std::move(text);
  node->flag = flag;
  node->begin = node->end = at;
  return node;
}

void add(Node& node, std::string name, NodePtr value) {
  node.names.push_back(std::move(name));
  node.kids.push_back(std::move(value));
}

}  // namespace

/// An expression with an optional alias.
NodePtr Parser::select_column() {
  const size_t begin = token_.begin;
  NodePtr value = expression();
  if (!accept_word("as")) return value;
  NodePtr out = make(NodeType::kSqlNode, begin);
  out->text = "Alias";
  add(*out, "expr", std::move(value));
  add(*out, "alias", leaf(NodeType::kSqlText, name("an alias"), false, begin));
  add(*out, "hidden", leaf(NodeType::kSqlFlag, "", false, begin));
  return ended(std::move(out));
}

NodePtr Parser::select_list() {
  NodePtr out = make(NodeType::kSqlList, token_.begin);
  do {
    out->kids.push_back(select_column());
  } while (accept(","));
  return ended(std::move(out));
}

NodePtr Parser::order_list() {
  NodePtr out = make(NodeType::kSqlList, token_.begin);
  do {
    NodePtr one = make(NodeType::kSqlNode, token_.begin);
    one->text = "OrderExpr";
    add(*one, "expr", expression());
    bool down = false;
    if (accept_word("desc") || accept_word("descending")) {
      down = true;
    } else if (!accept_word("asc")) {
      accept_word("ascending");
    }
    add(*one, "order", leaf(NodeType::kSqlText, down ? "DESC" : "ASC", false, one->begin));
    out->kids.push_back(ended(std::move(one)));
  } while (accept(","));
  return ended(std::move(out));
}

/// One table, its alias, and the join that follows it.
NodePtr Parser::join_expression(std::string how) {
  NodePtr out = make(NodeType::kSqlNode, token_.begin);
  out->text = "JoinExpr";
  if (!how.empty()) {
    add(*out, "join_type", leaf(NodeType::kSqlText, std::move(how), false, token_.begin));
  }
  if (token_.is("(")) {
    add(*out, "table", parentheses());
  } else if (token_.is("{")) {
    add(*out, "table", braces());
  } else {
    NodePtr table = make(NodeType::kField, token_.begin);
    table->names.push_back(name("the name of a table"));
    while (accept(".")) table->names.push_back(name("the name of a table"));
    add(*out, "table", ended(std::move(table)));
  }
  const bool as = accept_word("as");
  static constexpr std::string_view kNext[] = {
      "where", "group", "having", "order", "limit", "offset", "join",   "left",    "right",
      "inner", "full",  "cross",  "on",    "union", "final",  "sample", "prewhere"};
  bool keyword = false;
  for (const std::string_view word : kNext) keyword = keyword || token_.word(word);
  if (as || (at_name() && !keyword)) {
    add(*out, "alias", leaf(NodeType::kSqlText, name("an alias"), false, token_.begin));
  }
  std::string join;
  const Mark here = mark();
  for (const std::string_view word : {"left", "right", "inner", "full", "outer", "cross"}) {
    if (!token_.word(word)) continue;
    for (const char c : word) join += static_cast<char>(c - ('a' - 'A'));
    join += ' ';
    advance();
  }
  if (!accept_word("join")) {
    go_back(here);
    return ended(std::move(out));
  }
  if (++depth_ > kSyntaxDepthMax) fail("There are too many joins");
  NodePtr next = join_expression(join + "JOIN");
  depth_--;
  if (accept_word("on")) {
    NodePtr constraint = make(NodeType::kSqlNode, token_.begin);
    constraint->text = "JoinConstraint";
    add(*constraint, "expr", expression());
    add(*constraint, "constraint_type", leaf(NodeType::kSqlText, "ON", false, token_.begin));
    add(*next, "constraint", ended(std::move(constraint)));
  }
  add(*out, "next_join", std::move(next));
  return ended(std::move(out));
}

NodePtr Parser::select() {
  if (token_.word("with")) fail("Queries with WITH can't be part of a Hog program");
  NodePtr out = make(NodeType::kSqlNode, token_.begin);
  out->text = "SelectQuery";
  advance();
  const bool distinct = accept_word("distinct");
  add(*out, "select", select_list());
  if (distinct) add(*out, "distinct", leaf(NodeType::kSqlFlag, "", true, out->begin));
  if (accept_word("from")) add(*out, "select_from", join_expression(""));
  if (accept_word("prewhere")) add(*out, "prewhere", expression());
  if (accept_word("where")) add(*out, "where", expression());
  const auto by = [this] {
    if (!accept_word("by")) unexpected("'by'");
  };
  if (accept_word("group")) {
    by();
    add(*out, "group_by", select_list());
  }
  if (accept_word("having")) add(*out, "having", expression());
  if (accept_word("order")) {
    by();
    add(*out, "order_by", order_list());
  }
  if (accept_word("limit")) add(*out, "limit", expression());
  if (accept_word("offset")) add(*out, "offset", expression());
  if (token_.word("union")) fail("UNION can't be part of a Hog program");
  return ended(std::move(out));
}

}  // namespace penstock::hog
