#include "hog/stl/regex.h"

#include <re2/re2.h>

#include "hog/value.h"

namespace penstock::hog {

struct RegexCache::Kept {
  std::string key;
  std::unique_ptr<re2::RE2> regex;
};

RegexCache::RegexCache() = default;
RegexCache::~RegexCache() = default;

namespace {

/// Newer spellings of named groups that this RE2 does not know: (?<name>…) is (?P<name>…).
std::string translated(std::string_view pattern) {
  std::string out;
  out.reserve(pattern.size());
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); i++) {
    const char c = pattern[i];
    out += c;
    if (c == '\\' && i + 1 < pattern.size()) {
      out += pattern[++i];
    } else if (c == '[') {
      in_class = true;
    } else if (c == ']') {
      in_class = false;
    } else if (!in_class && c == '(' && pattern.substr(i).starts_with("(?<") &&
               i + 3 < pattern.size() && pattern[i + 3] != '=' && pattern[i + 3] != '!') {
      out += "?P";
      i++;
    }
  }
  return out;
}

}  // namespace

const re2::RE2& RegexCache::get(const std::string& key, std::string_view pattern, bool any_case) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    kept_.splice(kept_.begin(), kept_, found->second);
    return *kept_.front().regex;
  }
  if (pattern.size() > kPatternBytesMax) throw Failure{"The regular expression is too long"};
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!any_case);
  auto regex = std::make_unique<re2::RE2>(pattern.find("(?<") == std::string_view::npos
                                              ? re2::StringPiece(pattern.data(), pattern.size())
                                              : re2::StringPiece(scratch_ = translated(pattern)),
                                          options);
  if (!regex->ok()) throw Failure{"Invalid regular expression: " + regex->error()};
  if (kept_.size() >= kKept) {
    by_key_.erase(kept_.back().key);
    kept_.pop_back();
  }
  kept_.push_front({key, std::move(regex)});
  by_key_.emplace(kept_.front().key, kept_.begin());
  return *kept_.front().regex;
}

bool RegexCache::matches(std::string_view pattern, std::string_view text, bool any_case) {
  std::string key(any_case ? "i" : "s");
  key += pattern;
  return re2::RE2::PartialMatch({text.data(), text.size()}, get(key, pattern, any_case));
}

std::string RegexCache::extract(std::string_view pattern, std::string_view text) {
  std::string key("s");
  key += pattern;
  const re2::RE2& regex = get(key, pattern, false);
  re2::StringPiece groups[2];
  const int wanted = regex.NumberOfCapturingGroups() > 0 ? 2 : 1;
  if (!regex.Match({text.data(), text.size()}, 0, text.size(), re2::RE2::UNANCHORED, groups,
                   wanted)) {
    return {};
  }
  const re2::StringPiece& found = wanted == 2 ? groups[1] : groups[0];
  return {found.data() == nullptr ? "" : found.data(), found.size()};
}

bool RegexCache::like(std::string_view pattern, std::string_view text, bool any_case) {
  std::string key(any_case ? "I" : "L");
  key += pattern;
  if (by_key_.contains(key)) {
    return re2::RE2::PartialMatch({text.data(), text.size()}, get(key, {}, any_case));
  }
  std::string regex;
  for (const char c : pattern) {
    if (c == '%') {
      regex += ".*";
    } else if (c == '_') {
      regex += '.';
    } else {
      if (std::string_view("-/\\^$*+?.()|[]{}").find(c) != std::string_view::npos) regex += '\\';
      regex += c;
    }
  }
  return re2::RE2::PartialMatch({text.data(), text.size()}, get(key, regex, any_case));
}

}  // namespace penstock::hog
