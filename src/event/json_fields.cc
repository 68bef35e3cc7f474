#include "event/json_fields.h"

#include <emmintrin.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "base/json_writer.h"

namespace penstock::event {
namespace {

constexpr size_t kIndexFrom = 128;
constexpr size_t kGoneMax = 64;  // slots of the small table that stay taken by nobody
constexpr size_t kKeptBlock = 1024;
/// Room is made for so many members at first: one for so many bytes of text, within bounds.
constexpr size_t kBytesAMember = 32, kFieldsAtFirstMax = 64, kFieldsAroundInner = 8;

/// Where a key's slot is: by its length and its first and last eight bytes.
size_t slot_of(std::string_view key) {
  uint64_t first = 0, last = 0;
  if (key.size() >= 8) {
    std::memcpy(&first, key.data(), 8);
    std::memcpy(&last, key.data() + key.size() - 8, 8);
  } else if (key.size() >= 4) {
    std::memcpy(&first, key.data(), 4);
    std::memcpy(&last, key.data() + key.size() - 4, 4);
  } else {
    for (const char c : key) first = first << 8 | static_cast<uint8_t>(c);
  }
  const uint64_t mixed = (first ^ (last << 1 | last >> 63) ^ key.size()) * 0x9e3779b97f4a7c15ULL;
  return mixed >> 56;
}

/// Text that needs no escaping in JSON: nearly every key.
bool is_plain(std::string_view text) {
  const auto plain = [](char c) {
    return c != '"' && c != '\\' && static_cast<unsigned char>(c) - 0x20U < 0x5fU;
  };
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
  // Signed: what is beyond ASCII is below a space too.
  const __m128i space = _mm_set1_epi8(0x20), high = _mm_set1_epi8(0x7f);
  while (text.size() >= 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data()));
    const __m128i odd =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash)),
                     _mm_or_si128(_mm_cmpgt_epi8(space, block), _mm_cmpeq_epi8(block, high)));
    if (_mm_movemask_epi8(odd) != 0) return false;
    text.remove_prefix(16);
  }
  return std::ranges::all_of(text, plain);
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

uint32_t hex4(std::string_view digits) {
  uint32_t v = 0;
  for (const char c : digits.substr(0, 4)) {
    v = v * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return v;
}

bool is_high(uint32_t c) { return c >= 0xd800 && c <= 0xdbff; }
bool is_low(uint32_t c) { return c >= 0xdc00 && c <= 0xdfff; }

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

/// Surrogate escapes are rare; a cheap look decides whether a value needs a careful copy.
bool may_be_lone(std::string_view value) {
  const size_t escape = value.find('\\');
  return escape != std::string_view::npos &&
         (value.find("\\ud", escape) != std::string_view::npos ||
          value.find("\\uD", escape) != std::string_view::npos);
}

/// Decodes the \u escape at `at` (the backslash), pairing surrogates; moves past it.
void append_unicode_escape(std::string& out, std::string_view text, size_t& at) {
  const uint32_t first = hex4(text.substr(at + 2));
  at += 6;
  if (!is_high(first) && !is_low(first)) return append_utf8(out, first);
  if (is_high(first) && text.substr(at).starts_with("\\u")) {
    const uint32_t second = hex4(text.substr(at + 2));
    if (is_low(second)) {
      at += 6;
      return append_utf8(out, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
    }
  }
  append_utf8(out, 0xfffd);
}

char simple_escape(char c) {
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
  }
}

}  // namespace

JsonType json_type(std::string_view raw) {
  switch (raw.empty() ? 'n' : raw.front()) {
    case '{': return JsonType::kObject;
    case '[': return JsonType::kArray;
    case '"': return JsonType::kString;
    case 't':
    case 'f': return JsonType::kBool;
    case 'n': return JsonType::kNull;
    default: return JsonType::kNumber;
  }
}

Status validate_json(std::string_view text) {
  JsonScanner scanner(text);
  std::string_view raw;
  if (!is_utf8(text)) return fail(Code::kInvalid, "the text is not UTF-8");
  if (!scanner.value(raw) || !scanner.at_end()) return fail(Code::kInvalid, "the text is not JSON");
  return {};
}

std::string decode_string(std::string_view raw) {
  std::string_view text = raw.substr(1, raw.size() - 2);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t slash = std::min(text.find('\\', i), text.size());
    out.append(text, i, slash - i);
    i = slash;
    if (i == text.size()) break;
    if (text[i + 1] == 'u') {
      append_unicode_escape(out, text, i);
    } else {
      out += simple_escape(text[i + 1]);
      i += 2;
    }
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  if (!is_plain(text)) return append_json_escaped(out, text);
  out += '"';
  out += text;
  out += '"';
}

std::string replace_lone_surrogates(std::string_view raw) {
  std::string out(raw);
  for (size_t i = out.find('\\'); i != std::string::npos; i = out.find('\\', i)) {
    if (out[i + 1] != 'u') {
      i += 2;
      continue;
    }
    const uint32_t c = hex4(std::string_view(out).substr(i + 2));
    const bool paired = is_high(c) && std::string_view(out).substr(i + 6).starts_with("\\u") &&
                        is_low(hex4(std::string_view(out).substr(i + 8)));
    if (!paired && (is_high(c) || is_low(c))) out.replace(i, 6, "\\ufffd");
    i += paired ? 12 : 6;
  }
  return out;
}

Result<std::vector<std::string_view>> split_array(std::string_view array_text) {
  std::vector<std::string_view> out;
  JsonScanner scanner(array_text);
  if (!is_utf8(array_text) || !scanner.accept('[')) return fail(Code::kInvalid, "not an array");
  if (scanner.accept(']') && scanner.at_end()) return out;
  for (;;) {
    std::string_view raw;
    if (!scanner.value(raw)) return fail(Code::kInvalid, "a malformed array");
    out.push_back(raw);
    if (scanner.accept(',')) continue;
    if (scanner.accept(']') && scanner.at_end()) return out;
    return fail(Code::kInvalid, "a malformed array");
  }
}

namespace {

void append_member(std::string& out, std::string_view key, std::string_view value) {
  if (out.back() != '{') out += ',';
  append_json_string(out, key);
  out += ':';
  if (may_be_lone(value)) {
    out += replace_lone_surrogates(value);
  } else {
    out += value;
  }
}

}  // namespace

struct JsonFields::Inner {
  std::string_view key;
  JsonFields* fields;
};

Result<JsonFields> JsonFields::parse(std::string_view object_text) {
  JsonFields out;
  if (!is_utf8(object_text)) return fail(Code::kInvalid, "the text is not UTF-8");
  JsonScanner scanner(object_text);
  if (!read(scanner, kJsonDepthMax, out, nullptr) || !scanner.at_end()) {
    return fail(Code::kInvalid, "the text is no JSON object");
  }
  return out;
}

Result<JsonFields> JsonFields::parse_with(std::string_view object_text, std::string_view key,
                                          JsonFields& inner) {
  JsonFields out;
  inner = {};
  if (!is_utf8(object_text)) return fail(Code::kInvalid, "the text is not UTF-8");
  JsonScanner scanner(object_text);
  const Inner wanted{key, &inner};
  if (!read(scanner, kJsonDepthMax, out, &wanted) || !scanner.at_end()) {
    return fail(Code::kInvalid, "the text is no JSON object");
  }
  return out;
}

bool JsonFields::read(JsonScanner& in, size_t depth_left, JsonFields& out, const Inner* inner) {
  const char* begin = in.next_begin();
  if (!in.accept('{')) return false;
  out.fields_.reserve(inner != nullptr
                          ? kFieldsAroundInner
                          : std::min(in.bytes_left() / kBytesAMember + 4, kFieldsAtFirstMax));
  if (!in.accept('}')) {
    do {
      if (!out.read_member(in, depth_left, inner)) return false;
    } while (in.accept(','));
    if (!in.accept('}')) return false;
  }
  out.source_ = {begin, static_cast<size_t>(in.last_end() - begin)};
  // The rule: without a backslash there is nothing to look for in any value.
  if (out.source_.find('\\') != std::string_view::npos) {
    const auto lone = [](const Field& f) { return may_be_lone(f.value); };
    out.plain_ = out.plain_ && std::ranges::none_of(out.fields_, lone);
  }
  return true;
}

bool JsonFields::read_member(JsonScanner& in, size_t depth_left, const Inner* inner) {
  std::string_view key, value;
  bool escaped = false;
  if (!in.string(key, escaped) || !in.accept(':')) return false;
  std::string_view name = key.substr(1, key.size() - 2);
  if (escaped) {
    name = kept_.copy(decode_string(key));
    plain_ = false;
  }
  if (inner != nullptr && name == inner->key && in.peek() == '{') {
    *inner->fields = {};
    if (!read(in, depth_left - 1, *inner->fields, nullptr)) return false;
    value = inner->fields->source_;
  } else {
    if (inner != nullptr && name == inner->key) *inner->fields = {};
    if (!in.value(value, depth_left)) return false;
  }
  const size_t at = position_of(name);
  if (at < fields_.size()) {
    fields_[at].value = value;
  } else {
    add(name, value);
  }
  return true;
}

std::string_view JsonFields::Kept::copy(std::string_view text) {
  if (text.size() > left_) {
    const size_t size = std::max(kKeptBlock, text.size());
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    // A large text has a block of its own; the one in use goes on being filled.
    if (text.size() >= kKeptBlock) {
      std::memcpy(blocks_.back().get(), text.data(), text.size());
      return {blocks_.back().get(), text.size()};
    }
    free_ = blocks_.back().get();
    left_ = size;
  }
  if (!text.empty()) std::memcpy(free_, text.data(), text.size());
  const std::string_view copied(free_, text.size());
  free_ += text.size();
  left_ -= text.size();
  return copied;
}

size_t JsonFields::position_of(std::string_view key) const {
  if (!index_.empty()) {
    const auto it = index_.find(key);
    return it == index_.end() ? fields_.size() : it->second;
  }
  for (size_t slot = slot_of(key); slots_[slot] != 0; slot = (slot + 1) % kSlots) {
    if (slots_[slot] == kGone) continue;
    const size_t at = slots_[slot] - 1U;
    if (fields_[at].key == key) return at;
  }
  return fields_.size();
}

void JsonFields::add(std::string_view key, std::string_view value) {
  fields_.push_back({key, value});
  if (fields_.size() >= kIndexFrom) {
    if (index_.empty()) return rebuild_index();
    index_.emplace(key, fields_.size() - 1);
    return;
  }
  size_t slot = slot_of(key);
  while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
  slots_[slot] = static_cast<uint8_t>(fields_.size());
}

/// The member at this place is gone from `fields_`.
void JsonFields::forget(size_t at) {
  if (!index_.empty() || ++gone_ > kGoneMax) return rebuild_index();
  const auto gone = static_cast<uint8_t>(at + 1);
  for (uint8_t& slot : slots_) {
    if (slot == gone) {
      slot = kGone;
    } else {
      slot = static_cast<uint8_t>(slot - (slot > gone && slot != kGone ? 1 : 0));
    }
  }
}

void JsonFields::rebuild_index() {
  index_.clear();
  slots_.fill(0);
  gone_ = 0;
  if (fields_.size() >= kIndexFrom) {
    for (size_t i = 0; i < fields_.size(); i++) index_.emplace(fields_[i].key, i);
    return;
  }
  for (size_t i = 0; i < fields_.size(); i++) {
    size_t slot = slot_of(fields_[i].key);
    while (slots_[slot] != 0) slot = (slot + 1) % kSlots;
    slots_[slot] = static_cast<uint8_t>(i + 1);
  }
}

std::optional<std::string_view> JsonFields::find(std::string_view key) const {
  const size_t at = position_of(key);
  if (at == fields_.size()) return std::nullopt;
  return fields_[at].value;
}

void JsonFields::set(std::string_view key, std::string_view raw) {
  const size_t at = position_of(key);
  plain_ = plain_ && !may_be_lone(raw) && (at < fields_.size() || is_plain(key));
  if (at < fields_.size()) {
    fields_[at].value = kept_.copy(raw);
  } else {
    const std::string_view name = kept_.copy(key);
    add(name, kept_.copy(raw));
  }
}

void JsonFields::set_borrowed(std::string_view key, std::string_view raw) {
  const size_t at = position_of(key);
  plain_ = plain_ && !may_be_lone(raw) && (at < fields_.size() || is_plain(key));
  if (at < fields_.size()) {
    fields_[at].value = raw;
  } else {
    add(key, raw);
  }
}

void JsonFields::set_string(std::string_view key, std::string_view text) {
  std::string raw;
  append_json_string(raw, text);
  set(key, raw);
}

bool JsonFields::erase(std::string_view key) {
  const size_t at = position_of(key);
  if (at == fields_.size()) return false;
  fields_.erase(fields_.begin() + static_cast<std::ptrdiff_t>(at));
  forget(at);
  return true;
}

/// As it was parsed, without white space, so that its bytes with what is around are the member.
bool JsonFields::lies_in_source(const Field& f) const {
  const auto at = reinterpret_cast<uintptr_t>(f.value.data());
  const auto begin = reinterpret_cast<uintptr_t>(source_.data());
  return at > begin && at < begin + source_.size() &&
         f.key.data() + f.key.size() + 2 == f.value.data();
}

void JsonFields::append_to(std::string& out) const { append_fields(fields_, plain_, out); }

void JsonFields::append_overlaid(const JsonFields& over, std::string& out) const {
  std::vector<Field> fields;
  fields.reserve(fields_.size() + over.fields_.size());
  for (const Field& f : fields_) {
    const auto value = over.find(f.key);
    // Where it is the same, the one that stands among its neighbours is copied with them.
    fields.push_back(value && *value != f.value ? Field{f.key, *value} : f);
  }
  for (const Field& f : over.fields_) {
    if (!contains(f.key)) fields.push_back(f);
  }
  append_fields(fields, plain_ && over.plain_, out);
}

void JsonFields::append_fields(const std::vector<Field>& fields, bool plain,
                               std::string& out) const {
  constexpr size_t kAround = 4;  // quotes, colon, comma
  if (!plain) {
    out += '{';
    for (const Field& field : fields) append_member(out, field.key, field.value);
    out += '}';
    return;
  }
  size_t bytes = fields.empty() ? 2 : 1;
  for (const Field& field : fields) bytes += field.key.size() + field.value.size() + kAround;
  const size_t before = out.size();
  // The rule: every byte is known, so they are put down in one go, and those members at once that
  // stood one behind the other in what was parsed.
  if (out.capacity() < before + bytes) out.reserve(std::max(before + bytes, 2 * out.capacity()));
  out.resize_and_overwrite(before + bytes, [&](char* text, size_t size) {
    char* at = text + before;
    const auto put = [&at](const char* from, size_t n) {
      if (n == 0) return;
      std::memcpy(at, from, n);
      at += n;
    };
    *at++ = '{';
    for (size_t i = 0; i < fields.size(); i++) {
      const Field* field = &fields[i];
      if (lies_in_source(*field)) {
        const char* from = field->key.data() - 1;
        const char* end = field->value.data() + field->value.size();
        while (i + 1 < fields.size() && fields[i + 1].key.data() == end + 2 &&
               lies_in_source(fields[i + 1])) {
          field = &fields[++i];
          end = field->value.data() + field->value.size();
        }
        put(from, static_cast<size_t>(end - from));
      } else {
        *at++ = '"';
        put(field->key.data(), field->key.size());
        *at++ = '"';
        *at++ = ':';
        put(field->value.data(), field->value.size());
      }
      *at++ = ',';
    }
    if (!fields.empty()) at--;
    *at = '}';
    return size;
  });
}

std::string JsonFields::text() const {
  std::string out;
  append_to(out);
  return out;
}

}  // namespace penstock::event
