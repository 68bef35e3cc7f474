#include "store/dialect/sql_scan.h"

#include <algorithm>

namespace penstock::store {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class Scanner {
 public:
  explicit Scanner(std::string_view sql) : sql_(sql) {}

  Result<std::vector<SqlToken>> run() {
    while (at_ < sql_.size()) {
      const char c = sql_[at_];
      if (is_space(c)) {
        at_++;
      } else if (sql_.substr(at_).starts_with("--")) {
        at_ = std::min(sql_.find('\n', at_), sql_.size());
      } else if (sql_.substr(at_).starts_with("/*")) {
        PENSTOCK_CHECK(comment());
      } else if (c == '\'' || c == '"' || c == '`') {
        PENSTOCK_CHECK(quoted(c));
      } else if (is_word(c)) {
        word();
      } else {
        PENSTOCK_CHECK(punctuation(c));
      }
    }
    return std::move(out_);
  }

 private:
  Status comment() {
    const size_t end = sql_.find("*/", at_ + 2);
    if (end == std::string_view::npos) return fail(Code::kInvalid, "a comment is not closed");
    if (sql_.substr(at_ + 2, end - at_ - 1).find("/*") != std::string_view::npos) {
      return fail(Code::kInvalid, "a comment inside a comment is not supported");
    }
    at_ = end + 2;
    return {};
  }

  /// A doubled quote ends one piece and begins the next, which is the same to every caller.
  Status quoted(char quote) {
    SqlToken token{{}, true, true};
    for (at_++; at_ < sql_.size() && sql_[at_] != quote; at_++) {
      if (sql_[at_] == '\\') {
        if (quote != '\'')
          return fail(Code::kInvalid, "a quoted name must not contain a backslash");
        at_++;
      } else {
        token.text += lower(sql_[at_]);
      }
    }
    if (at_ >= sql_.size()) return fail(Code::kInvalid, "a quote is not closed");
    at_++;
    if (quote != '\'') out_.push_back(std::move(token));
    return {};
  }

  void word() {
    SqlToken token{{}, false, true};
    for (; at_ < sql_.size() && is_word(sql_[at_]); at_++) token.text += lower(sql_[at_]);
    out_.push_back(std::move(token));
  }

  Status punctuation(char c) {
    if (c == '$') return fail(Code::kInvalid, "a name with $ must be quoted: `$session_id`");
    if (c == '#' || sql_.substr(at_).starts_with("//")) {
      return fail(Code::kInvalid, "a comment begins with -- or stands between /* and */");
    }
    if (c < ' ' || c == '\\' || c == 0x7f) {
      return fail(Code::kInvalid, "only plain ASCII may stand outside quotes");
    }
    out_.push_back({std::string(1, c), false, false});
    at_++;
    return {};
  }

  std::string_view sql_;
  size_t at_ = 0;
  std::vector<SqlToken> out_;
};

}  // namespace

Result<std::vector<SqlToken>> scan_sql(std::string_view sql) { return Scanner(sql).run(); }

}  // namespace penstock::store
