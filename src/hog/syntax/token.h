// Tokens of Hog, and the lexer. Private to the room.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hog/compiler.h"

namespace penstock::hog {

enum class TokenType : uint8_t {
  kEnd,
  kName,    // also keywords
  kQuoted,  // a name in backticks or double quotes
  kString,
  kNumber,
  kSymbol,
  kTemplate,  // f' … the lexer stops here, the parser asks for the pieces
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::string_view text;  // in the source
  std::string value;      // of strings and quoted names: what they mean
  size_t begin = 0, end = 0;

  bool is(std::string_view symbol) const { return type == TokenType::kSymbol && text == symbol; }
  /// A keyword, in any case.
  bool word(std::string_view lower) const;
};

/// Thrown by lexer, parser and compiler; becomes a Diagnostic where the room answers.
struct SyntaxError {
  std::string message;
  size_t begin = 0, end = 0;
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}
  std::string_view source() const { return source_; }
  size_t at() const { return at_; }
  void go_to(size_t at) { at_ = at; }
  /// `after_operand`: whether a dot or a less-than continues an expression.
  Token next(bool after_operand);
  /// Text of a template up to {, the closing quote (if `quoted`) or the end.
  std::string template_text(bool quoted);
  /// From behind f' to behind its closing quote; false: there is none, or it holds too much.
  bool skip_template(int depth = 0);
  /// Text between tags, up to < or {.
  std::string_view tag_text();

 private:
  void skip_space();
  Token quoted_name(char quote);
  Token string();
  Token number();
  [[noreturn]] void fail(std::string message, size_t begin, size_t end) const;

  std::string_view source_;
  size_t at_ = 0;
};

/// What the escapes of a string mean; `quote` doubled is itself.
std::string unescaped(std::string_view body, char quote);

}  // namespace penstock::hog
