#include "hog/syntax/parser.h"

namespace penstock::hog {

/// Counts nesting while it lives.
struct Parser::Deeper {
  explicit Deeper(Parser& owner) : parser(owner) {
    if (++owner.depth_ > kSyntaxDepthMax) {
      owner.depth_--;
      owner.fail("This is nested more than " + std::to_string(kSyntaxDepthMax) + " levels deep");
    }
  }
  ~Deeper() { parser.depth_--; }
  Deeper(const Deeper&) = delete;
  Deeper& operator=(const Deeper&) = delete;
  Parser& parser;
};

void Parser::advance() {
  last_end_ = token_.end;
  token_ = lexer_.next(after_operand_);
  after_operand_ = token_.type == TokenType::kName || token_.type == TokenType::kQuoted ||
                   token_.type == TokenType::kString || token_.type == TokenType::kNumber ||
                   token_.is(")") || token_.is("]") || token_.is("}");
}

void Parser::go_back(const Mark& mark) {
  token_ = mark.token;
  lexer_.go_to(mark.at);
  after_operand_ = mark.after_operand;
}

Token Parser::peek() {
  const Mark here = mark();
  const size_t last = last_end_;
  advance();
  Token out = token_;
  go_back(here);
  last_end_ = last;
  return out;
}

bool Parser::accept(std::string_view symbol) {
  if (!token_.is(symbol)) return false;
  advance();
  return true;
}

bool Parser::accept_word(std::string_view word) {
  if (!token_.word(word)) return false;
  advance();
  return true;
}

std::string Parser::found() const {
  if (token_.type == TokenType::kEnd) return "the end of the program";
  return "'" + std::string(token_.text) + "'";
}

void Parser::fail(std::string message) const {
  throw SyntaxError{std::move(message), token_.begin, token_.end};
}

void Parser::unexpected(std::string_view wanted) const {
  fail("Expected " + std::string(wanted) + ", found " + found());
}

void Parser::expect(std::string_view symbol, std::string_view where) {
  if (!accept(symbol)) unexpected("'" + std::string(symbol) + "' " + std::string(where));
}

std::string Parser::name(std::string_view what) {
  if (!at_name()) unexpected(what);
  std::string out = token_.type == TokenType::kQuoted ? token_.value : std::string(token_.text);
  advance();
  return out;
}

NodePtr Parser::program() {
  NodePtr out = make(NodeType::kProgram, token_.begin);
  while (token_.type != TokenType::kEnd) {
    if (NodePtr one = statement()) out->kids.push_back(std::move(one));
  }
  return ended(std::move(out));
}

/// Nullptr: an empty one.
NodePtr Parser::statement() {
  const Deeper deeper(*this);
  if (accept(";")) return nullptr;
  if (token_.is("{") && !looks_like_dict()) return block();
  if (token_.type == TokenType::kName) {
    const Token next = peek();
    if (token_.word("let") && (next.type == TokenType::kName || next.type == TokenType::kQuoted)) {
      return declaration();
    }
    if (token_.word("if") && next.is("(")) return if_statement();
    if (token_.word("while")) return while_statement();
    if (token_.word("for") && next.is("(")) return for_statement();
    if ((token_.word("fun") || token_.word("fn")) &&
        (next.type == TokenType::kName || next.type == TokenType::kQuoted)) {
      return function();
    }
    if (token_.word("try") && next.is("{")) return try_statement();
  }
  return simple_statement();
}

/// return, throw, an assignment or an expression, with its semicolon.
NodePtr Parser::simple_statement() {
  const size_t begin = token_.begin;
  NodePtr out;
  if (token_.word("return")) {
    out = make(NodeType::kReturn, begin);
    advance();
    if (!token_.is(";") && !token_.is("}") && token_.type != TokenType::kEnd) {
      out->kids.push_back(expression());
    }
  } else if (token_.word("throw")) {
    out = make(NodeType::kThrow, begin);
    advance();
    out->kids.push_back(expression());
  } else {
    NodePtr value = expression();
    if (accept(":=")) {
      out = make(NodeType::kAssignment, begin);
      out->kids.push_back(std::move(value));
      out->kids.push_back(expression());
    } else {
      out = make(NodeType::kExpression, begin);
      out->kids.push_back(std::move(value));
    }
  }
  out = ended(std::move(out));
  accept(";");
  return out;
}

NodePtr Parser::declaration() {
  NodePtr out = make(NodeType::kDeclaration, token_.begin);
  advance();
  out->text = name("the name of a variable");
  if (accept(":=")) {
    out->kids.push_back(expression());
  } else if (token_.is("=")) {
    fail("Variables are given their value with ':=', as in let x := 1");
  }
  out = ended(std::move(out));
  accept(";");
  return out;
}

NodePtr Parser::block() {
  const Deeper deeper(*this);
  NodePtr out = make(NodeType::kBlock, token_.begin);
  expect("{", "before a block");
  while (!token_.is("}")) {
    if (token_.type == TokenType::kEnd) {
      throw SyntaxError{"This block is never closed: a '}' is missing", out->begin, out->begin + 1};
    }
    if (NodePtr one = statement()) out->kids.push_back(std::move(one));
  }
  advance();
  return ended(std::move(out));
}

/// What if, while and for run: one statement, perhaps an empty one.
NodePtr Parser::body() {
  const size_t begin = token_.begin;
  if (token_.type == TokenType::kEnd) unexpected("a statement");
  NodePtr out = statement();
  return out ? std::move(out) : ended(make(NodeType::kBlock, begin));
}

NodePtr Parser::if_statement() {
  NodePtr out = make(NodeType::kIf, token_.begin);
  advance();
  expect("(", "before the condition");
  out->kids.push_back(expression());
  expect(")", "after the condition");
  out->kids.push_back(body());
  if (accept_word("else")) out->kids.push_back(body());
  return ended(std::move(out));
}

NodePtr Parser::while_statement() {
  NodePtr out = make(NodeType::kWhile, token_.begin);
  advance();
  expect("(", "before the condition");
  out->kids.push_back(expression());
  expect(")", "after the condition");
  out->kids.push_back(body());
  return ended(std::move(out));
}

/// One of the three parts of a for; kNothing when it is left out.
NodePtr Parser::for_part(std::string_view end) {
  const size_t begin = token_.begin;
  if (token_.is(end)) return make(NodeType::kNothing, begin);
  if (token_.word("let")) {
    NodePtr out = make(NodeType::kDeclaration, begin);
    advance();
    out->text = name("the name of a variable");
    if (accept(":=")) out->kids.push_back(expression());
    return ended(std::move(out));
  }
  NodePtr value = expression();
  NodePtr out = make(token_.is(":=") ? NodeType::kAssignment : NodeType::kExpression, begin);
  out->kids.push_back(std::move(value));
  if (accept(":=")) out->kids.push_back(expression());
  return ended(std::move(out));
}

NodePtr Parser::for_in(size_t begin) {
  NodePtr out = make(NodeType::kForIn, begin);
  advance();
  out->names.push_back(name("the name of a variable"));
  if (accept(",")) out->names.push_back(name("the name of a variable"));
  if (!accept_word("in")) unexpected("'in'");
  out->kids.push_back(expression());
  expect(")", "after what is looped over");
  out->kids.push_back(body());
  return ended(std::move(out));
}

NodePtr Parser::for_statement() {
  const size_t begin = token_.begin;
  advance();
  expect("(", "after for");
  if (token_.word("let")) {
    const Mark here = mark();
    advance();
    if (at_name()) {
      advance();
      const bool in = token_.word("in") || token_.is(",");
      go_back(here);
      if (in) return for_in(begin);
    }
    go_back(here);
  }
  NodePtr out = make(NodeType::kFor, begin);
  out->kids.push_back(for_part(";"));
  expect(";", "after the beginning of the loop");
  out->kids.push_back(token_.is(";") ? make(NodeType::kNothing, token_.begin) : expression());
  expect(";", "after the loop's condition");
  out->kids.push_back(for_part(")"));
  expect(")", "after the loop's step");
  out->kids.push_back(body());
  return ended(std::move(out));
}

std::vector<std::string> Parser::parameters() {
  std::vector<std::string> out;
  while (!token_.is(")")) {
    out.push_back(name("the name of a parameter"));
    if (!accept(",")) break;
  }
  expect(")", "after the parameters");
  return out;
}

NodePtr Parser::function() {
  NodePtr out = make(NodeType::kFunction, token_.begin);
  advance();
  out->text = name("the name of the function");
  expect("(", "before the parameters");
  out->names = parameters();
  if (!token_.is("{")) unexpected("'{': the body of a function is a block");
  out->kids.push_back(block());
  return ended(std::move(out));
}

NodePtr Parser::try_statement() {
  NodePtr out = make(NodeType::kTry, token_.begin);
  advance();
  out->kids.push_back(block());
  while (token_.word("catch")) {
    advance();
    std::string variable, type;
    if (accept("(")) {
      variable = name("the name of the caught error");
      if (accept(":")) type = name("the type of the caught error");
      expect(")", "after the caught error");
    }
    out->names.push_back(std::move(variable));
    out->names.push_back(std::move(type));
    out->kids.push_back(block());
    out->number++;
  }
  if (token_.word("finally")) {
    advance();
    out->kids.push_back(block());
  }
  return ended(std::move(out));
}

/// Whether the brace at hand begins a dictionary: a colon comes, at its level, that belongs to no
/// ?: before it. Looks at tokens only, so that it costs what it looks at.
bool Parser::looks_like_dict() const {
  Lexer ahead(lexer_.source());
  ahead.go_to(token_.end);
  int depth = 0, questions = 0;
  bool operand = false;
  try {
    for (;;) {
      const Token token = ahead.next(operand);
      operand = token.type != TokenType::kSymbol || token.is(")") || token.is("]") || token.is("}");
      if (token.type == TokenType::kEnd) return false;
      if (token.type == TokenType::kTemplate) {
        if (!ahead.skip_template()) return false;
        operand = true;
        continue;
      }
      if (token.is("(") || token.is("[") || token.is("{")) {
        depth++;
      } else if (token.is(")") || token.is("]") || token.is("}")) {
        if (--depth < 0) return false;
      } else if (depth == 0) {
        if (token.is(";") || token.is(":=") || token.is(",")) return false;
        if (token.is("?")) questions++;
        if (token.is(":") && questions-- == 0) return true;
      }
    }
  } catch (const SyntaxError&) {
    return false;
  }
}

}  // namespace penstock::hog
