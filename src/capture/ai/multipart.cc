#include "capture/ai/multipart.h"

#include <algorithm>

#include "wire/http.h"

namespace penstock::capture::ai {
namespace {

std::unexpected<Refusal> refuse(const char* what) {
  return std::unexpected(Refusal{400, "invalid_multipart", what});
}

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").contains(c));
}

bool is_boundary_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::string_view("'()+_,-./:=? ").contains(c));
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// Walks `; name=value` pairs of a header's value. `value` is what stands between the quotes, still
/// escaped, or the bare token.
class Parameters {
 public:
  explicit Parameters(std::string_view rest) : rest_(rest) {}

  /// False at the end, or where something is malformed: then `good` is false too.
  bool next(std::string_view& name, std::string_view& value) {
    rest_ = trimmed(rest_);
    if (rest_.empty()) return false;
    if (!take(';')) return fail();
    rest_ = trimmed(rest_);
    if (rest_.empty()) return false;  // a semicolon at the end
    name = token();
    if (name.empty() || !take('=')) return fail();
    if (!take('"')) {
      value = token();
      return !value.empty() || fail();
    }
    size_t end = 0;
    while (end < rest_.size() && rest_[end] != '"') end += rest_[end] == '\\' ? 2U : 1U;
    if (end >= rest_.size()) return fail();
    value = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool good() const { return good_; }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view token() {
    size_t n = 0;
    while (n < rest_.size() && is_token_char(rest_[n])) n++;
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  bool fail() { return good_ = false; }

  std::string_view rest_;
  bool good_ = true;
};

std::string unescaped(std::string_view quoted) {
  std::string out;
  for (size_t i = 0; i < quoted.size(); i++) {
    if (quoted[i] == '\\' && i + 1 < quoted.size()) i++;
    out += quoted[i];
  }
  return out;
}

/// Content-Disposition: form-data; name="…"; filename="…"
std::expected<std::string, Refusal> field_name(std::string_view disposition) {
  const size_t end = disposition.find(';');
  if (!wire::same_ignoring_case(trimmed(disposition.substr(0, end)), "form-data")) {
    return refuse("a part's Content-Disposition is not form-data");
  }
  Parameters parameters(end == std::string_view::npos ? std::string_view{}
                                                      : disposition.substr(end));
  std::string_view name, value;
  std::string out;
  while (parameters.next(name, value)) {
    if (!wire::same_ignoring_case(name, "name")) continue;
    if (!out.empty()) return refuse("a part has two names");
    out = unescaped(value);
  }
  if (!parameters.good()) return refuse("a part's Content-Disposition is malformed");
  if (out.empty()) return refuse("a part has no name");
  return out;
}

std::expected<Part, Refusal> read_head(std::string_view head) {
  Part part;
  std::string_view disposition;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head = end == std::string_view::npos ? std::string_view{} : head.substr(end + 2);
    const size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    if (colon == std::string_view::npos || name.empty() ||
        !std::ranges::all_of(name, is_token_char)) {
      return refuse("a part has a malformed header");
    }
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      return refuse("a part has a malformed header");
    }
    if (wire::same_ignoring_case(name, "content-disposition")) {
      if (!disposition.empty()) return refuse("a part has two Content-Dispositions");
      disposition = value;
    } else if (wire::same_ignoring_case(name, "content-type")) {
      part.content_type = value;
    } else if (wire::same_ignoring_case(name, "content-encoding")) {
      part.content_encoding = value;
    } else if (wire::same_ignoring_case(name, "content-transfer-encoding") &&
               !wire::same_ignoring_case(value, "binary") &&
               !wire::same_ignoring_case(value, "8bit") &&
               !wire::same_ignoring_case(value, "7bit")) {
      return refuse("a part has a Content-Transfer-Encoding; send its bytes as they are");
    }
  }
  auto named = field_name(disposition);
  if (!named) return std::unexpected(std::move(named.error()));
  part.name = std::move(*named);
  return part;
}

}  // namespace

std::expected<std::string_view, Refusal> boundary_of(std::string_view content_type) {
  const size_t end = content_type.find(';');
  if (!wire::same_ignoring_case(trimmed(content_type.substr(0, end)), "multipart/form-data")) {
    return std::unexpected(
        Refusal{415, "unsupported_content_type", "Content-Type must be multipart/form-data"});
  }
  Parameters parameters(end == std::string_view::npos ? std::string_view{}
                                                      : content_type.substr(end));
  std::string_view name, value, boundary;
  while (parameters.next(name, value)) {
    if (!wire::same_ignoring_case(name, "boundary")) continue;
    if (!boundary.empty()) return refuse("Content-Type has two boundaries");
    boundary = value;
  }
  const bool fits = parameters.good() && !boundary.empty() &&
                    boundary.size() <= kBoundaryBytesMax && !boundary.ends_with(' ') &&
                    std::ranges::all_of(boundary, is_boundary_char);
  if (!fits) return refuse("Content-Type has no valid boundary");
  return boundary;
}

std::expected<std::vector<Part>, Refusal> split_parts(std::string_view body,
                                                      std::string_view boundary) {
  const std::string delimiter = "\r\n--" + std::string(boundary);
  const std::string_view first = std::string_view(delimiter).substr(2);
  if (!body.starts_with(first)) return refuse("the body does not begin with its boundary");
  body.remove_prefix(first.size());
  std::vector<Part> parts;
  while (body.starts_with("\r\n")) {
    body.remove_prefix(2);
    if (parts.size() == kPartsMax) return refuse("the body has too many parts");
    const size_t head_end = body.substr(0, kPartHeadBytesMax).find("\r\n\r\n");
    if (head_end == std::string_view::npos) {
      return refuse("a part's headers do not end, or are too long");
    }
    auto part = read_head(body.substr(0, head_end));
    if (!part) return std::unexpected(std::move(part.error()));
    // The data's end is found from the headers' last line break, for a part may be empty.
    body.remove_prefix(head_end + 2);
    const size_t end = body.find(delimiter);
    if (end == std::string_view::npos) return refuse("the body ends within a part");
    part->data = end < 2 ? std::string_view{} : body.substr(2, end - 2);
    parts.push_back(std::move(*part));
    body.remove_prefix(end + delimiter.size());
  }
  if (!body.starts_with("--")) return refuse("the boundary stands within a part; choose another");
  body.remove_prefix(2);
  if (!body.empty() && body != "\r\n") return refuse("something follows the last part");
  if (parts.empty()) return refuse("the body has no parts");
  return parts;
}

}  // namespace penstock::capture::ai
