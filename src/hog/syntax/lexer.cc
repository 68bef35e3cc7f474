#include "hog/syntax/token.h"
#include "hog/values/text.h"

namespace penstock::hog {
namespace {

bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}
bool digit(char c) { return c >= '0' && c <= '9'; }

constexpr std::string_view kSymbols[] = {"!~*", "=~*", "<=>", ":=", "::", "->", "?.", "??", "==",
                                         "!=",  "<>",  "<=",  ">=", "=~", "!~", "||", "(",  ")",
                                         "[",   "]",   "{",   "}",  ",",  ";",  ":",  "?",  ".",
                                         "=",   "<",   ">",   "+",  "-",  "*",  "/",  "%",  "@"};

}  // namespace

bool Token::word(std::string_view lower) const {
  if (type != TokenType::kName || text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != lower[i]) return false;
  }
  return true;
}

void Lexer::fail(std::string message, size_t begin, size_t end) const {
  throw SyntaxError{std::move(message), begin, end};
}

void Lexer::skip_space() {
  while (at_ < source_.size()) {
    const std::string_view rest = source_.substr(at_);
    if (rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n') {
      at_++;
    } else if (rest.starts_with("/*")) {
      const size_t end = rest.find("*/", 2);
      if (end == std::string_view::npos) fail("This comment is never closed", at_, at_ + 2);
      at_ += end + 2;
    } else if (rest.starts_with("//") || rest.starts_with("--") || rest[0] == '#') {
      const size_t end = rest.find('\n');
      at_ = end == std::string_view::npos ? source_.size() : at_ + end;
    } else {
      return;
    }
  }
}

std::string unescaped(std::string_view body, char quote) {
  std::string out;
  for (size_t i = 0; i < body.size(); i++) {
    const char c = body[i];
    if (c == quote && i + 1 < body.size() && body[i + 1] == quote) {
      out += quote;
      i++;
      continue;
    }
    if (c != '\\' || i + 1 == body.size()) {
      out += c;
      continue;
    }
    const char mark = body[++i];
    switch (mark) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'r': out += '\r'; break;
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case 'a': out += '\a'; break;
      case 'v': out += '\v'; break;
      case '0': break;  // NUL is left out
      case '\\': out += '\\'; break;
      case '{': out += '{'; break;
      default:
        if (mark != quote) out += '\\';
        out += mark;
    }
  }
  return out;
}

Token Lexer::quoted_name(char quote) {
  Token token;
  token.type = TokenType::kQuoted;
  token.begin = at_++;
  const size_t first = at_;
  for (;; at_++) {
    if (at_ >= source_.size()) fail("This name is never closed", token.begin, token.begin + 1);
    if (source_[at_] == '\\' && at_ + 1 < source_.size()) {
      at_++;
    } else if (source_[at_] == quote) {
      if (at_ + 1 >= source_.size() || source_[at_ + 1] != quote) break;
      at_++;
    }
  }
  token.value = unescaped(source_.substr(first, at_ - first), quote);
  token.end = ++at_;
  token.text = source_.substr(token.begin, token.end - token.begin);
  return token;
}

Token Lexer::string() {
  Token token;
  token.type = TokenType::kString;
  token.begin = at_++;
  const size_t first = at_;
  for (;; at_++) {
    if (at_ >= source_.size()) fail("This string is never closed", token.begin, token.begin + 1);
    if (source_[at_] == '\\' && at_ + 1 < source_.size()) {
      at_++;
    } else if (source_[at_] == '\'') {
      if (at_ + 1 >= source_.size() || source_[at_ + 1] != '\'') break;
      at_++;
    }
  }
  token.value = unescaped(source_.substr(first, at_ - first), '\'');
  token.end = ++at_;
  token.text = source_.substr(token.begin, token.end - token.begin);
  return token;
}

Token Lexer::number() {
  Token token;
  token.type = TokenType::kNumber;
  token.begin = at_;
  const auto here = [this](size_t ahead = 0) {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  };
  const auto hex = [](char c) {
    return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  if (here() == '0' && (here(1) == 'x' || here(1) == 'X') && hex(here(2))) {
    at_ += 2;
    while (hex(here())) at_++;
  } else {
    while (digit(here())) at_++;
    if (here() == '.') {
      at_++;
      while (digit(here())) at_++;
    }
    if (here() == 'e' || here() == 'E') {
      const size_t sign = here(1) == '+' || here(1) == '-' ? 1 : 0;
      if (digit(here(1 + sign))) {
        at_ += 2 + sign;
        while (digit(here())) at_++;
      }
    }
  }
  token.end = at_;
  token.text = source_.substr(token.begin, token.end - token.begin);
  return token;
}

Token Lexer::next(bool after_operand) {
  skip_space();
  Token token;
  token.begin = token.end = at_;
  if (at_ >= source_.size()) return token;
  const char c = source_[at_];
  const char ahead = at_ + 1 < source_.size() ? source_[at_ + 1] : '\0';
  if ((c == 'f' || c == 'F') && ahead == '\'') {
    token.type = TokenType::kTemplate;
    at_ += 2;
    token.end = at_;
    token.text = source_.substr(token.begin, 2);
    return token;
  }
  if (letter(c)) {
    while (at_ < source_.size() && (letter(source_[at_]) || digit(source_[at_]))) at_++;
    token.type = TokenType::kName;
    token.end = at_;
    token.text = source_.substr(token.begin, at_ - token.begin);
    return token;
  }
  if (c == '\'') return string();
  if (c == '`' || c == '"') return quoted_name(c);
  if (digit(c) || (c == '.' && digit(ahead) && !after_operand)) return number();
  for (const std::string_view symbol : kSymbols) {
    if (!source_.substr(at_).starts_with(symbol)) continue;
    at_ += symbol.size();
    token.type = TokenType::kSymbol;
    token.end = at_;
    token.text = source_.substr(token.begin, symbol.size());
    return token;
  }
  size_t size = 1;
  while (at_ + size < source_.size() &&
         (static_cast<unsigned char>(source_[at_ + size]) & 0xc0) == 0x80) {
    size++;
  }
  fail("Unexpected character '" + std::string(source_.substr(at_, size)) + "'", at_, at_ + size);
}

std::string Lexer::template_text(bool quoted) {
  std::string out;
  const size_t begin = at_;
  for (; at_ < source_.size(); at_++) {
    const char c = source_[at_];
    if (c == '\\' && at_ + 1 < source_.size()) {
      out += c;
      out += source_[++at_];
    } else if (c == '{') {
      break;
    } else if (c == '\'' && quoted) {
      if (at_ + 1 >= source_.size() || source_[at_ + 1] != '\'') break;
      out += "''";
      at_++;
    } else {
      out += c;
    }
  }
  if (quoted && at_ >= source_.size()) {
    fail("This template string is never closed", begin == 0 ? 0 : begin - 1, begin);
  }
  return unescaped(out, quoted ? '\'' : '\0');
}

bool Lexer::skip_template(int depth) {
  constexpr int kTemplateDepthMax = 50;
  if (depth > kTemplateDepthMax) return false;
  for (;;) {
    template_text(true);
    if (at_ < source_.size() && source_[at_] == '\'') {
      at_++;
      return true;
    }
    at_++;  // the brace
    for (int braces = 1; braces > 0;) {
      const Token inner = next(false);
      if (inner.type == TokenType::kEnd) return false;
      if (inner.type == TokenType::kTemplate && !skip_template(depth + 1)) return false;
      braces += inner.is("{") ? 1 : inner.is("}") ? -1 : 0;
    }
  }
}

std::string_view Lexer::tag_text() {
  const size_t begin = at_;
  while (at_ < source_.size() && source_[at_] != '<' && source_[at_] != '{') at_++;
  return source_.substr(begin, at_ - begin);
}

}  // namespace penstock::hog
