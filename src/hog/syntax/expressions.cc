#include <charconv>

#include "hog/syntax/parser.h"

namespace penstock::hog {
namespace {

NodePtr binary(NodeType type, NodePtr left, NodePtr right) {
  auto out = std::make_unique<Node>();
  out->type = type;
  out->begin = left->begin;
  out->end = right->end;
  out->kids.push_back(std::move(left));
  out->kids.push_back(std::move(right));
  return out;
}

/// One of several terms; those of an inner and or or, in parentheses or not, join the outer one's.
void add_term(Node& all, NodePtr term) {
  if (term->type != all.type) {
    all.kids.push_back(std::move(term));
    return;
  }
  for (NodePtr& kid : term->kids) all.kids.push_back(std::move(kid));
}

/// One side of ||; the arguments of a concat, however it is written, join the outer one's.
void add_part(Node& all, NodePtr part) {
  if (part->type != NodeType::kCall || part->text != "concat" || part->has_params) {
    all.kids.push_back(std::move(part));
    return;
  }
  for (NodePtr& kid : part->kids) all.kids.push_back(std::move(kid));
}

}  // namespace

NodePtr Parser::made_call(std::string name, size_t begin) {
  NodePtr out = make(NodeType::kCall, begin);
  out->text = std::move(name);
  out->flag = true;
  return out;
}

NodePtr Parser::whole_expression() {
  NodePtr out = expression();
  if (token_.type != TokenType::kEnd) unexpected("the end of the expression");
  return out;
}

/// Counted here, where every way down comes through.
NodePtr Parser::expression() {
  if (++depth_ > kSyntaxDepthMax) {
    fail("This is nested more than " + std::to_string(kSyntaxDepthMax) + " levels deep");
  }
  NodePtr out = or_level();
  if (accept("?")) {
    NodePtr choice = made_call("if", out->begin);
    choice->kids.push_back(std::move(out));
    choice->kids.push_back(expression());
    expect(":", "between the two values of ?:");
    choice->kids.push_back(expression());
    out = ended(std::move(choice));
  }
  depth_--;
  return out;
}

NodePtr Parser::or_level() {
  NodePtr left = and_level();
  if (!token_.word("or")) return left;
  NodePtr out = make(NodeType::kOr, left->begin);
  add_term(*out, std::move(left));
  while (accept_word("or")) add_term(*out, and_level());
  return ended(std::move(out));
}

NodePtr Parser::and_level() {
  NodePtr left = not_level();
  if (!token_.word("and")) return left;
  NodePtr out = make(NodeType::kAnd, left->begin);
  add_term(*out, std::move(left));
  while (accept_word("and")) add_term(*out, not_level());
  return ended(std::move(out));
}

/// not(x) is a call like any other; PostHog's parser reads it so, and `not (x) = y` too.
NodePtr Parser::not_level() {
  if (!token_.word("not") || peek().is("(") || peek().is(".") || peek().is(":=")) {
    return between_level();
  }
  const size_t begin = token_.begin;
  advance();
  if (++depth_ > kSyntaxDepthMax) fail("There are too many nots in a row");
  NodePtr out = make(NodeType::kNot, begin);
  out->kids.push_back(not_level());
  depth_--;
  return ended(std::move(out));
}

NodePtr Parser::between_level() {
  NodePtr left = nullish_level();
  for (;;) {
    const bool negated = token_.word("not") && peek().word("between");
    if (!negated && !token_.word("between")) return left;
    if (negated) advance();
    advance();
    NodePtr out = make(NodeType::kBetween, left->begin);
    out->flag = negated;
    out->kids.push_back(std::move(left));
    out->kids.push_back(nullish_level());
    if (!accept_word("and")) unexpected("'and' between the two bounds");
    out->kids.push_back(nullish_level());
    left = ended(std::move(out));
  }
}

NodePtr Parser::nullish_level() {
  NodePtr left = comparison();
  while (accept("??")) {
    NodePtr out = made_call("ifNull", left->begin);
    out->kids.push_back(std::move(left));
    out->kids.push_back(comparison());
    left = ended(std::move(out));
  }
  return left;
}

/// Takes an operator of comparison, if one is here, and names it as the tree does.
bool Parser::comparison_operator(std::string& op) {
  static constexpr std::string_view kPlain[] = {
      "=", "==", "!=", "<>", "<", "<=", ">", ">=", "=~", "!~", "=~*", "!~*"};
  for (const std::string_view symbol : kPlain) {
    if (!token_.is(symbol)) continue;
    op = symbol == "=" ? "==" : symbol == "<>" ? "!=" : symbol;
    advance();
    return true;
  }
  const Mark here = mark();
  std::string prefix;
  if (token_.word("not")) {
    prefix = "not ";
    advance();
  }
  for (const std::string_view word : {"like", "ilike", "in"}) {
    if (!token_.word(word)) continue;
    advance();
    op = prefix + std::string(word);
    if (word == "in" && token_.word("cohort")) {
      const Token next = peek();
      if (next.type == TokenType::kNumber || next.type == TokenType::kString ||
          next.type == TokenType::kName) {
        advance();
        op += " cohort";
      }
    }
    return true;
  }
  go_back(here);
  return false;
}

NodePtr Parser::comparison() {
  NodePtr left = sum();
  for (;;) {
    std::string op;
    if (token_.word("is")) {
      advance();
      const bool negated = accept_word("not");
      if (accept_word("distinct")) {
        if (!accept_word("from")) unexpected("'from'");
        left = binary(NodeType::kDistinct, std::move(left), sum());
        left->flag = negated;
        continue;
      }
      NodePtr nothing = make(NodeType::kNullConstant, token_.begin);
      if (!accept_word("null")) unexpected("'null' after 'is'");
      left = binary(NodeType::kCompare, std::move(left), ended(std::move(nothing)));
      left->text = negated ? "!=" : "==";
      left->flag = true;
    } else if (comparison_operator(op)) {
      left = binary(NodeType::kCompare, std::move(left), sum());
      left->text = op;
    } else {
      return left;
    }
  }
}

NodePtr Parser::sum() {
  NodePtr left = product();
  for (;;) {
    if (token_.is("+") || token_.is("-")) {
      const std::string op(token_.text);
      advance();
      left = binary(NodeType::kArithmetic, std::move(left), product());
      left->text = op;
    } else if (accept("||")) {
      NodePtr out = made_call("concat", left->begin);
      add_part(*out, std::move(left));
      add_part(*out, product());
      left = std::move(out);
      left = ended(std::move(left));
    } else {
      return left;
    }
  }
}

NodePtr Parser::product() {
  NodePtr left = unary();
  while (token_.is("*") || token_.is("/") || token_.is("%")) {
    const std::string op(token_.text);
    advance();
    left = binary(NodeType::kArithmetic, std::move(left), unary());
    left->text = op;
  }
  return left;
}

NodePtr Parser::unary() {
  const size_t begin = token_.begin;
  if (token_.is("-") || token_.is("+")) {
    const bool minus = token_.is("-");
    const Token next = peek();
    if (next.type == TokenType::kNumber || next.word("inf") || next.word("nan")) {
      advance();
      NodePtr out = number_constant(minus ? -1 : 1);
      out->begin = begin;
      return postfix(std::move(out));
    }
    if (!minus) unexpected("an expression");
    advance();
    if (++depth_ > kSyntaxDepthMax) fail("There are too many minuses in a row");
    NodePtr zero = make(NodeType::kNumberConstant, begin);
    zero->text = "0";
    zero->end = begin + 1;
    NodePtr out = binary(NodeType::kArithmetic, std::move(zero), unary());
    out->text = "-";
    depth_--;
    return out;
  }
  return postfix(primary());
}

std::vector<NodePtr> Parser::arguments() {
  std::vector<NodePtr> out;
  expect("(", "before the arguments");
  while (!token_.is(")")) {
    out.push_back(expression());
    if (!accept(",")) break;
  }
  expect(")", "after the arguments");
  return out;
}

NodePtr Parser::call(NodePtr callee) {
  const size_t begin = callee->begin;
  if (callee->type == NodeType::kField && callee->names.size() == 1) {
    NodePtr out = make(NodeType::kCall, begin);
    out->text = callee->names[0];
    out->kids = arguments();
    if (token_.is("(")) {
      out->params = std::move(out->kids);
      out->has_params = true;
      out->kids = arguments();
    }
    return ended(std::move(out));
  }
  NodePtr out = make(NodeType::kExprCall, begin);
  out->kids.push_back(std::move(callee));
  for (NodePtr& argument : arguments()) out->kids.push_back(std::move(argument));
  return ended(std::move(out));
}

/// Calls, properties and indexes behind what was read.
NodePtr Parser::postfix(NodePtr node) {
  for (int steps = 0;; steps++) {
    if (steps > 10 * kSyntaxDepthMax) fail("There are too many steps in a row");
    const size_t begin = node->begin;
    if (token_.is("(")) {
      node = call(std::move(node));
    } else if (token_.is("[") || (token_.is("?.") && peek().is("["))) {
      NodePtr out = make(NodeType::kArrayAccess, begin);
      out->flag = accept("?.");
      advance();
      out->kids.push_back(std::move(node));
      out->kids.push_back(expression());
      expect("]", "after the index");
      node = ended(std::move(out));
    } else if (token_.is(".") || token_.is("?.")) {
      const bool nullish = token_.is("?.");
      advance();
      if (token_.type == TokenType::kNumber) {
        // x.1.2 is two steps, though 1.2 reads as a number
        size_t digits = token_.text.find_first_not_of("0123456789");
        if (digits == 0) unexpected("the name of a property");
        if (digits != std::string_view::npos) {
          lexer_.go_to(token_.begin + digits);
          token_.text = token_.text.substr(0, digits);
          token_.end = token_.begin + digits;
        }
        NodePtr out = make(NodeType::kTupleAccess, begin);
        out->flag = nullish;
        std::from_chars(token_.text.data(), token_.text.data() + token_.text.size(), out->number);
        advance();
        out->kids.push_back(std::move(node));
        node = ended(std::move(out));
        continue;
      }
      if (!nullish && accept("*") && node->type == NodeType::kField) {
        node->names.emplace_back("*");
        continue;
      }
      const size_t at = token_.begin;
      std::string property = name("the name of a property");
      if (!nullish && node->type == NodeType::kField) {
        node->names.push_back(std::move(property));
        node = ended(std::move(node));
        continue;
      }
      NodePtr out = make(NodeType::kArrayAccess, begin);
      out->flag = nullish;
      out->kids.push_back(std::move(node));
      NodePtr key = make(NodeType::kStringConstant, at);
      key->text = std::move(property);
      out->kids.push_back(ended(std::move(key)));
      node = ended(std::move(out));
    } else if (accept("::")) {
      NodePtr out = make(NodeType::kTypeCast, begin);
      out->text = name("the name of a type");
      out->kids.push_back(std::move(node));
      node = ended(std::move(out));
    } else {
      return node;
    }
  }
}

}  // namespace penstock::hog
