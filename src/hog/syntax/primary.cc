#include <charconv>
#include <cmath>

#include "hog/syntax/parser.h"
#include "hog/values/number.h"
#include "hog/values/text.h"

namespace penstock::hog {

NodePtr Parser::number_constant(double sign) {
  NodePtr out = make(NodeType::kNumberConstant, token_.begin);
  if (token_.type == TokenType::kName) {
    out->number = sign * (token_.word("inf") ? HUGE_VAL : std::nan(""));
    out->flag = true;
  } else {
    const std::string_view text = token_.text;
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    out->flag = !hex && text.find_first_of(".eE") != std::string_view::npos;
    out->number = sign * to_number(text);
  }
  out->text = (sign < 0 ? "-" : "") + std::string(token_.text);
  advance();
  return ended(std::move(out));
}

NodePtr Parser::primary() {
  const size_t begin = token_.begin;
  switch (token_.type) {
    case TokenType::kNumber: return number_constant(1);
    case TokenType::kString: {
      NodePtr out = make(NodeType::kStringConstant, begin);
      out->text = token_.value;
      advance();
      return ended(std::move(out));
    }
    case TokenType::kTemplate: return template_string(true);
    case TokenType::kQuoted:
    case TokenType::kName: return word_expression();
    case TokenType::kSymbol:
      if (token_.is("(")) return at_lambda() ? lambda() : parentheses();
      if (token_.is("[")) return brackets();
      if (token_.is("{")) return braces();
      if (token_.is("<")) return tag(false);
      if (token_.is("*")) {
        NodePtr out = make(NodeType::kField, begin);
        out->names.emplace_back("*");
        advance();
        return ended(std::move(out));
      }
      break;
    default: break;
  }
  unexpected("an expression");
}

NodePtr Parser::word_expression() {
  const size_t begin = token_.begin;
  const Token next = peek();
  const bool plain = token_.type == TokenType::kName;
  const auto constant = [&](NodeType type, bool flag) {
    NodePtr out = make(type, begin);
    out->flag = flag;
    advance();
    return ended(std::move(out));
  };
  if (next.is("->") || (next.is(",") && at_lambda())) return lambda();
  if (plain && token_.word("null")) return constant(NodeType::kNullConstant, false);
  if (plain && !next.is("(") && !next.is(".")) {
    if (token_.word("true")) return constant(NodeType::kBoolConstant, true);
    if (token_.word("false")) return constant(NodeType::kBoolConstant, false);
  }
  if (plain && (token_.word("inf") || token_.word("nan")) && !next.is("(")) {
    return number_constant(1);
  }
  if (plain && token_.word("case") && !next.is(".") && !next.is(":=")) return case_expression();
  if (plain && token_.word("cast") && next.is("(")) return cast();
  if (plain && token_.word("interval")) {
    if (next.type == TokenType::kNumber || next.type == TokenType::kString || next.is("(") ||
        next.type == TokenType::kName) {
      const Mark here = mark();
      if (NodePtr out = interval()) return out;
      go_back(here);
    }
  }
  if (plain && !next.is(":=") && !next.is(".")) {
    for (const std::string_view word : {"and", "or", "in", "like", "ilike", "between", "is", "then",
                                        "when", "else", "end", "as"}) {
      if (token_.word(word) && !next.is("(")) unexpected("an expression");
    }
    if (token_.word("fun") || token_.word("fn")) {
      if (next.is("(")) {
        fail("A function without a name is written as (a, b) -> a + b, or (a, b) -> { … }");
      }
    }
  }
  NodePtr out = make(NodeType::kField, begin);
  out->names.push_back(name("a name"));
  return ended(std::move(out));
}

/// `(a, b) ->`, or `a, b ->`: names with commas between them take all names before the arrow, in
/// lists of arguments too, as PostHog's grammar has it.
bool Parser::at_lambda() {
  if (token_.begin < no_lambda_until_) return false;
  const Mark here = mark();
  const size_t last = last_end_;
  const bool bare = !token_.is("(");
  bool found = false;
  try {
    if (!bare) advance();
    while (at_name()) {
      advance();
      if (!accept(",")) break;
    }
    if (bare) {
      found = token_.is("->");
      if (!found) no_lambda_until_ = token_.begin;  // nor does one begin at a later name of these
    } else if (token_.is(")")) {
      advance();
      found = token_.is("->");
    }
  } catch (const SyntaxError&) {
    found = false;  // whoever reads it for good says what is wrong
  }
  go_back(here);
  last_end_ = last;
  return found;
}

NodePtr Parser::lambda() {
  NodePtr out = make(NodeType::kLambda, token_.begin);
  if (accept("(")) {
    out->names = parameters();
  } else {
    do {
      out->names.push_back(name("the name of a parameter"));
    } while (accept(",") && !token_.is("->"));
  }
  expect("->", "after the parameters");
  const bool braces = token_.is("{") && !peek().is("}") && !looks_like_dict();
  out->kids.push_back(braces ? block() : expression());
  return ended(std::move(out));
}

NodePtr Parser::parentheses() {
  const size_t begin = token_.begin;
  advance();
  if (token_.word("select") || token_.word("with")) {
    const Token next = peek();
    if (!next.is(")") && !next.is(",") && !next.is(".")) {
      NodePtr query = select();
      expect(")", "after the query");
      return query;
    }
  }
  NodePtr first = expression();
  if (token_.is(",")) {
    NodePtr out = make(NodeType::kTuple, begin);
    out->kids.push_back(std::move(first));
    while (accept(",")) {
      if (token_.is(")")) break;
      out->kids.push_back(expression());
    }
    expect(")", "after the tuple");
    return ended(std::move(out));
  }
  expect(")", "after the expression");
  return first;
}

NodePtr Parser::brackets() {
  NodePtr out = make(NodeType::kArray, token_.begin);
  advance();
  while (!token_.is("]")) {
    out->kids.push_back(expression());
    if (!accept(",")) break;
  }
  expect("]", "after the array");
  return ended(std::move(out));
}

NodePtr Parser::braces() {
  const size_t begin = token_.begin;
  advance();
  NodePtr out = make(NodeType::kDict, begin);
  while (!token_.is("}")) {
    out->kids.push_back(expression());
    if (out->kids.size() == 1 && token_.is("}")) {
      out->type = NodeType::kPlaceholder;
      break;
    }
    expect(":", "between key and value");
    out->kids.push_back(expression());
    if (!accept(",")) break;
  }
  expect("}", "after the dictionary");
  return ended(std::move(out));
}

NodePtr Parser::case_expression() {
  const size_t begin = token_.begin;
  advance();
  std::vector<NodePtr> parts;
  const bool of_value = !token_.word("when");
  if (of_value) parts.push_back(expression());
  while (accept_word("when")) {
    parts.push_back(expression());
    if (!accept_word("then")) unexpected("'then'");
    parts.push_back(expression());
  }
  if (accept_word("else")) {
    parts.push_back(expression());
  } else {
    parts.push_back(ended(make(NodeType::kNullConstant, token_.begin)));
  }
  if (!accept_word("end")) unexpected("'end'");
  NodePtr out = made_call(of_value            ? "_caseWithExpression"
                          : parts.size() == 3 ? "if"
                                              : "multiIf",
                          begin);
  out->kids = std::move(parts);
  return ended(std::move(out));
}

/// Nullptr: `interval` was a name like any other.
NodePtr Parser::interval() {
  static constexpr std::string_view kUnits[] = {"second", "minute", "hour",    "day",
                                                "week",   "month",  "quarter", "year"};
  const size_t begin = token_.begin;
  const auto call_of = [&](std::string_view unit) {
    std::string name(unit);
    name[0] = static_cast<char>(name[0] - ('a' - 'A'));
    return made_call("toInterval" + name, begin);
  };
  advance();
  if (token_.type == TokenType::kString && !peek().word("day")) {
    const std::string text = to_lower(token_.value);
    const size_t space = text.find(' ');
    double count = 0;
    const auto read =
        std::from_chars(text.data(), text.data() + std::min(space, text.size()), count);
    std::string unit = space == std::string::npos ? "" : text.substr(space + 1);
    if (unit.ends_with('s')) unit.pop_back();
    for (const std::string_view known : kUnits) {
      if (unit != known || read.ec != std::errc()) continue;
      NodePtr out = call_of(known);
      NodePtr amount = make(NodeType::kNumberConstant, token_.begin);
      amount->number = count;
      amount->text = text.substr(0, space);
      advance();
      out->kids.push_back(ended(std::move(amount)));
      return ended(std::move(out));
    }
  }
  NodePtr amount;
  try {
    amount = unary();
  } catch (const SyntaxError&) {
    return nullptr;
  }
  for (const std::string_view unit : kUnits) {
    if (!token_.word(unit)) continue;
    advance();
    NodePtr out = call_of(unit);
    out->kids.push_back(std::move(amount));
    return ended(std::move(out));
  }
  return nullptr;
}

NodePtr Parser::cast() {
  NodePtr out = make(NodeType::kTypeCast, token_.begin);
  advance();
  expect("(", "after cast");
  out->kids.push_back(expression());
  if (!accept_word("as")) unexpected("'as' and a type");
  out->text = name("the name of a type");
  expect(")", "after the type");
  return ended(std::move(out));
}

/// f'text {expression}' or, unquoted, an input template.
NodePtr Parser::template_string(bool quoted) {
  const size_t begin = token_.begin;
  NodePtr out = made_call("concat", begin);
  for (;;) {
    const size_t at = lexer_.at();
    std::string text = lexer_.template_text(quoted);
    if (!text.empty()) {
      NodePtr piece = make(NodeType::kStringConstant, at);
      piece->text = std::move(text);
      piece->end = lexer_.at();
      out->kids.push_back(std::move(piece));
    }
    const size_t stop = lexer_.at();
    if (stop >= lexer_.source().size() || lexer_.source()[stop] != '{') break;
    lexer_.go_to(stop + 1);
    after_operand_ = false;
    advance();
    out->kids.push_back(expression());
    if (!token_.is("}")) unexpected("'}' after the expression in the template");
    lexer_.go_to(token_.end);
  }
  if (quoted) {
    lexer_.go_to(lexer_.at() + 1);  // the closing quote
    token_.end = lexer_.at();
    after_operand_ = true;
    advance();
    last_end_ = token_.begin;
  }
  if (out->kids.empty()) {
    NodePtr nothing = make(NodeType::kStringConstant, begin);
    return ended(std::move(nothing));
  }
  if (out->kids.size() == 1) return std::move(out->kids[0]);
  return ended(std::move(out));
}

NodePtr Parser::whole_template(std::string_view source) {
  Parser parser("");
  parser.lexer_ = Lexer(source);
  return parser.template_string(false);
}

/// <Kind name={value} name='value' name>children</Kind>
NodePtr Parser::tag(bool nested) {
  NodePtr out = make(NodeType::kTag, token_.begin);
  if (++depth_ > kSyntaxDepthMax) fail("Tags are nested too deeply");
  const auto tag_name = [this] {
    std::string text = name("the name of a tag");
    while (token_.is("-")) {
      advance();
      text += "-" + name("the name of a tag");
    }
    return text;
  };
  advance();
  out->text = tag_name();
  while (at_name()) {
    out->names.push_back(tag_name());
    if (!accept("=")) {
      NodePtr yes = make(NodeType::kBoolConstant, token_.begin);
      yes->flag = true;
      out->kids.push_back(ended(std::move(yes)));
    } else if (accept("{")) {
      out->kids.push_back(expression());
      expect("}", "after the value of an attribute");
    } else if (token_.type == TokenType::kString) {
      out->kids.push_back(primary());
    } else {
      unexpected("a string or {expression} as the value of an attribute");
    }
  }
  // What follows an inner tag is text, which the lexer must not look at.
  const auto close = [&](std::string_view where) {
    if (!token_.is(">")) unexpected("'>' " + std::string(where));
    out->end = token_.end;
    lexer_.go_to(token_.end);
    if (!nested) advance();
    depth_--;
  };
  if (accept("/")) {
    close("after /");
    return out;
  }
  if (!token_.is(">")) unexpected("'>' at the end of the tag");
  lexer_.go_to(token_.end);
  NodePtr children = make(NodeType::kArray, token_.end);
  while (NodePtr child = tag_child()) children->kids.push_back(std::move(child));
  // at </
  advance();
  advance();
  advance();
  if (tag_name() != out->text) fail("This closes another tag than <" + out->text + ">");
  close("after the name of the closed tag");
  if (!children->kids.empty()) {
    out->names.emplace_back("children");
    out->kids.push_back(std::move(children));
  }
  return out;
}

/// Nullptr: the closing tag is next.
NodePtr Parser::tag_child() {
  const size_t at = lexer_.at();
  const std::string_view text = lexer_.tag_text();
  const std::string_view rest = lexer_.source().substr(lexer_.at());
  if (rest.empty()) throw SyntaxError{"This tag is never closed", at, at + 1};
  const bool blank = text.find_first_not_of(" \t\r\n") == std::string_view::npos;
  if (!text.empty() && !(blank && text.find('\n') != std::string_view::npos)) {
    NodePtr out = make(NodeType::kStringConstant, at);
    out->text = text;
    out->end = lexer_.at();
    return out;
  }
  if (rest.starts_with("</")) return nullptr;
  after_operand_ = false;
  advance();
  if (token_.is("{")) {
    advance();
    NodePtr out = expression();
    if (!token_.is("}")) unexpected("'}' after the expression");
    lexer_.go_to(token_.end);
    return out;
  }
  return tag(true);
}

}  // namespace penstock::hog
