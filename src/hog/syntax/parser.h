// Source to syntax tree. Private to the room. Throws SyntaxError.
#pragma once

#include <string_view>

#include "hog/syntax/ast.h"
#include "hog/syntax/token.h"

namespace penstock::hog {

class Parser {
 public:
  explicit Parser(std::string_view source) : lexer_(source) { advance(); }

  NodePtr program();
  /// One expression and nothing behind it.
  NodePtr whole_expression();
  /// Text with {expressions}; the source begins with it.
  static NodePtr whole_template(std::string_view source);

 private:
  struct Deeper;
  struct Mark {
    Token token;
    size_t at;
    bool after_operand;
  };

  // tokens
  void advance();
  bool accept(std::string_view symbol);
  bool accept_word(std::string_view word);
  void expect(std::string_view symbol, std::string_view where);
  std::string name(std::string_view what);
  bool at_name() const {
    return token_.type == TokenType::kName || token_.type == TokenType::kQuoted;
  }
  Token peek();
  Mark mark() const { return {token_, lexer_.at(), after_operand_}; }
  void go_back(const Mark& mark);
  [[noreturn]] void fail(std::string message) const;
  [[noreturn]] void unexpected(std::string_view wanted) const;
  std::string found() const;

  // statements (statements.cc)
  NodePtr statement();
  NodePtr block();
  NodePtr body();
  NodePtr if_statement();
  NodePtr while_statement();
  NodePtr for_statement();
  NodePtr for_in(size_t begin);
  NodePtr function();
  NodePtr try_statement();
  NodePtr declaration();
  NodePtr simple_statement();
  NodePtr for_part(std::string_view end);
  bool looks_like_dict() const;
  std::vector<std::string> parameters();

  // expressions, loosest first (expressions.cc)
  NodePtr expression();
  NodePtr or_level();
  NodePtr and_level();
  NodePtr not_level();
  NodePtr between_level();
  NodePtr nullish_level();
  NodePtr comparison();
  NodePtr sum();
  NodePtr product();
  NodePtr unary();
  NodePtr postfix(NodePtr node);
  NodePtr call(NodePtr callee);
  std::vector<NodePtr> arguments();
  bool comparison_operator(std::string& op);

  // what they are made of (primary.cc)
  NodePtr primary();
  NodePtr number_constant(double sign);
  NodePtr brackets();
  NodePtr braces();
  NodePtr parentheses();
  NodePtr lambda();
  bool at_lambda();
  NodePtr case_expression();
  NodePtr interval();
  NodePtr cast();
  NodePtr tag(bool nested);
  NodePtr tag_child();
  NodePtr template_string(bool quoted);
  NodePtr word_expression();

  // queries (select.cc)
  NodePtr select();
  NodePtr select_column();
  NodePtr select_list();
  NodePtr order_list();
  NodePtr join_expression(std::string how);

  static NodePtr make(NodeType type, size_t begin) {
    auto node = std::make_unique<Node>();
    node->type = type;
    node->begin = begin;
    return node;
  }
  NodePtr ended(NodePtr node) const {
    node->end = last_end_;
    return node;
  }
  static NodePtr made_call(std::string name, size_t begin);

  Lexer lexer_;
  Token token_;
  size_t last_end_ = 0;
  size_t no_lambda_until_ = 0;  // at a name before this place no lambda without parentheses begins
  bool after_operand_ = false;
  int depth_ = 0;
};

inline constexpr int kSyntaxDepthMax = 200;

}  // namespace penstock::hog
