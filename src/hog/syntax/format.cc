// The one layout of Hog source: spaces and indentation by rule, lines and comments as they are.
#include <algorithm>
#include <set>

#include "hog/compile/compiler.h"
#include "hog/syntax/parser.h"

namespace penstock::hog {
namespace {

constexpr size_t kIndent = 4;

/// What is written out: a token, a comment, or a stretch that is copied as it is.
struct Piece {
  enum class Type : uint8_t { kToken, kComment, kCopied } type;
  Token token;
  std::string_view text;
  size_t lines_before = 0;  // line ends between the last piece and this one
};

struct Places {
  std::set<size_t> blocks;                          // where blocks begin
  std::vector<std::pair<size_t, size_t>> verbatim;  // tags
};

void collect(const Node& node, Places& places) {
  if (node.type == NodeType::kBlock) places.blocks.insert(node.begin);
  if (node.type == NodeType::kTag) {
    places.verbatim.emplace_back(node.begin, node.end);
    return;
  }
  for (const NodePtr& kid : node.kids) collect(*kid, places);
  for (const NodePtr& kid : node.params) collect(*kid, places);
}

/// The source as pieces.
std::vector<Piece> pieces_of(std::string_view source, const Places& places) {
  std::vector<Piece> out;
  Lexer lexer(source);
  bool operand = false;
  size_t at = 0;
  const auto gap = [&](size_t to) {
    // comments between two tokens
    size_t lines = 0;
    while (at < to) {
      const std::string_view rest = source.substr(at, to - at);
      const bool block = rest.starts_with("/*");
      if (block || rest.starts_with("//") || rest.starts_with("--") || rest[0] == '#') {
        size_t end = block ? rest.find("*/") + 2 : rest.find('\n');
        if (end > rest.size()) end = rest.size();
        std::string_view text = rest.substr(0, end);
        while (text.ends_with('\r') || text.ends_with(' ')) text.remove_suffix(1);
        out.push_back({Piece::Type::kComment, {}, text, lines});
        lines = 0;
        at += end;
      } else {
        lines += rest[0] == '\n' ? 1U : 0U;
        at++;
      }
    }
    return lines;
  };
  for (;;) {
    const Token token = lexer.next(operand);
    const size_t lines = gap(token.begin);
    if (token.type == TokenType::kEnd) break;
    size_t end = token.end;
    auto type = Piece::Type::kToken;
    for (const auto& [from, to] : places.verbatim) {
      if (from == token.begin) {
        type = Piece::Type::kCopied;
        end = to;
      }
    }
    lexer.go_to(end);
    if (token.type == TokenType::kTemplate) {
      type = Piece::Type::kCopied;
      lexer.skip_template();
      end = lexer.at();
    }
    out.push_back({type, token, source.substr(token.begin, end - token.begin), lines});
    operand = type == Piece::Type::kCopied || token.type != TokenType::kSymbol || token.is(")") ||
              token.is("]") || token.is("}");
    at = end;
  }
  return out;
}

class Layout {
 public:
  explicit Layout(const Places& places) : places_(places) {}

  std::string run(const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces) put(piece);
    while (out_.ends_with('\n')) out_.pop_back();
    return out_.empty() ? "" : out_ + "\n";
  }

 private:
  struct Open {
    size_t line;
    bool block;
    int questions = 0;
  };

  static bool opens(const Token& t) { return t.is("(") || t.is("[") || t.is("{"); }
  static bool closes(const Token& t) { return t.is(")") || t.is("]") || t.is("}"); }
  /// Words that stand apart from a bracket behind them.
  static bool keyword(const Token& t) {
    for (const std::string_view word :
         {"if",  "else", "while", "for",  "catch",   "try",   "return", "throw",
          "and", "or",   "in",    "not",  "like",    "ilike", "let",    "fun",
          "fn",  "case", "when",  "then", "between", "is"}) {
      if (t.word(word)) return true;
    }
    return false;
  }

  void put(const Piece& piece) {
    const Token& token = piece.token;
    const bool closing = piece.type == Piece::Type::kToken && closes(token);
    bool was_block = false;
    if (closing && !open_.empty()) {
      was_block = open_.back().block;
      open_.pop_back();
    }
    if (!out_.empty() && piece.lines_before > 0) {
      out_.append(piece.lines_before > 1 && !closing && !after_open_ ? 2 : 1, '\n');
      line_++;
      indent();
    } else if (!out_.empty() && spaced(piece, closing, was_block)) {
      out_ += ' ';
    }
    out_ += piece.text;
    remember(piece);
  }

  void indent() {
    std::set<size_t> lines;
    for (const Open& open : open_) lines.insert(open.line);
    out_.append(lines.size() * kIndent, ' ');
  }

  void remember(const Piece& piece) {
    const Token& token = piece.token;
    after_open_ = false;
    unary_ = false;
    if (piece.type == Piece::Type::kComment) {
      last_ = {};
      last_comment_ = true;
      return;
    }
    const bool starts = !last_operand_;
    last_comment_ = false;
    if (piece.type == Piece::Type::kToken) {
      if (opens(token)) {
        const bool block = token.is("{") && places_.blocks.contains(token.begin);
        open_.push_back({line_, block});
        after_open_ = true;
      }
      if (!open_.empty() && token.is("?")) open_.back().questions++;
      if (open_.empty() && token.is("?")) questions_++;
      unary_ = (token.is("-") || token.is("+")) && starts;
    }
    last_operand_ = piece.type == Piece::Type::kCopied || closes(token) ||
                    (token.type != TokenType::kSymbol && !keyword(token));
    last_ = token;
  }

  /// Whether a space comes before this piece, on the same line.
  bool spaced(const Piece& piece, bool closing, bool was_block) {
    if (piece.type == Piece::Type::kComment || last_comment_) return true;
    const Token& t = piece.token;
    if (closing) return was_block && !last_.is("{");
    if (after_open_) return open_.back().block;
    if (unary_) return false;
    if (last_.is(".") || last_.is("?.") || last_.is("::") || t.is(".") || t.is("?.") ||
        t.is("::")) {
      return false;
    }
    if (t.is(",") || t.is(";")) return false;
    if (t.is(":")) {
      int& questions = open_.empty() ? questions_ : open_.back().questions;
      if (questions == 0) return false;
      questions--;
      return true;
    }
    if (t.is("(") || t.is("[")) return !last_operand_;
    return true;
  }

  const Places& places_;
  std::string out_;
  std::vector<Open> open_;
  Token last_;
  size_t line_ = 0;
  int questions_ = 0;
  bool after_open_ = false, unary_ = false, last_operand_ = false, last_comment_ = false;
};

}  // namespace

std::expected<std::string, Diagnostic> format_source(std::string_view source) {
  const CompileOptions options;
  try {
    const NodePtr tree = Parser(source).program();
    Places places;
    collect(*tree, places);
    std::string tidy = Layout(places).run(pieces_of(source, places));
    // Layout must never change what a program says.
    if (syntax_json(tidy, Grammar::kProgram) != syntax_json(source, Grammar::kProgram)) {
      return std::string(source);
    }
    return tidy;
  } catch (const SyntaxError& error) {
    return std::unexpected(
        Compiler(source, options).diagnostic(error.message, error.begin, error.end));
  }
}

}  // namespace penstock::hog
