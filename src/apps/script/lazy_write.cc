// Lazy objects back to text: what nobody changed as the bytes it was.
#include <string>
#include <string_view>

#include "apps/script/lazy.h"
#include "event/json_fields.h"

namespace penstock::apps {
namespace {

constexpr size_t kDepthMax = 100;
constexpr size_t kAddedUsual = 240;  // bytes that an app adds, and the lists of apps

/// What is written. As long as it is what the text before has at the same place, it is counted and
/// not copied.
class Out {
 public:
  explicit Out(std::string& text, std::string_view before = {})
      : text_(text), before_(before), same_(!before.empty()) {}

  void put(std::string_view piece) {
    if (same_) {
      const bool fits = piece.size() <= before_.size() - front_;
      const char* there = before_.data() + front_;
      if (fits && (piece.data() == there || piece == std::string_view(there, piece.size()))) {
        front_ += piece.size();
        return;
      }
      same_ = false;
    }
    text_.append(piece);
  }
  /// For what is new.
  std::string& text() {
    same_ = false;
    return text_;
  }
  size_t front() const { return front_; }
  size_t size() const { return front_ + text_.size(); }

  struct Place {
    size_t front, bytes;
    bool same;
  };
  Place place() const { return {front_, text_.size(), same_}; }
  void back_to(const Place& place) {
    front_ = place.front;
    text_.resize(place.bytes);
    same_ = place.same;
  }

 private:
  std::string& text_;
  std::string_view before_;
  size_t front_ = 0;
  bool same_;
};

bool write(JSContext* context, JSValueConst value, Out& out, size_t depth);

/// Whether a list that was looked at is still what its text says, however that is written.
bool same_list(JSContext* context, const Slot& slot, std::string& text, size_t depth) {
  text.clear();
  Out now(text);
  if (!write(context, slot.value, now, depth)) return false;
  if (text == slot.raw) return true;
  const Js before = parse_json(context, slot.raw);
  std::string old;
  Out was(old);
  return !before.is_exception() && write(context, before.get(), was, depth) && text == old;
}

bool untouched(JSContext* context, const Lazy& lazy, size_t depth) {
  if (lazy.changed || depth > kDepthMax) return false;
  for (const Slot& slot : lazy.slots) {
    if (slot.state != Slot::State::kRead || !JS_IsObject(slot.value)) continue;
    if (const Lazy* inner = lazy_of(slot.value)) {
      if (!untouched(context, *inner, depth + 1)) return false;
      continue;
    }
    std::string text;
    if (!same_list(context, slot, text, depth + 1)) return false;
  }
  return true;
}

bool stringify(JSContext* context, JSValueConst value, std::string& out) {
  const Js text(context, JS_JSONStringify(context, value, kUndefined, kUndefined));
  if (text.is_exception()) {
    JS_FreeValue(context, JS_GetException(context));
    return false;
  }
  if (text.is_undefined()) return false;
  size_t size = 0;
  const char* bytes = JS_ToCStringLen(context, &size, text.get());
  if (bytes == nullptr) return false;
  out.append(bytes, size);
  JS_FreeCString(context, bytes);
  return true;
}

/// JSON.stringify of a string, without its detours. False: it is for the long way.
bool write_string(JSContext* context, JSValueConst value, std::string& out) {
  size_t size = 0;
  const char* bytes = JS_ToCStringLen(context, &size, value);
  if (bytes == nullptr) return false;
  const std::string_view text(bytes, size);
  // Halves of pairs stand as three bytes from 0xED on; JSON.stringify escapes them.
  const bool whole = text.find('\xED') == std::string_view::npos;
  if (whole) event::append_json_string(out, text);
  JS_FreeCString(context, bytes);
  return whole;
}

/// Whether the member's own bytes are what has to be written.
bool is_verbatim(JSContext* context, const Slot& slot, size_t depth) {
  if (slot.state == Slot::State::kRaw) return true;
  if (slot.state != Slot::State::kRead) return false;
  if (!JS_IsObject(slot.value)) return true;  // nothing can have changed it
  if (const Lazy* inner = lazy_of(slot.value)) {
    return !inner->ordinary && untouched(context, *inner, depth + 1);
  }
  std::string text;
  return same_list(context, slot, text, depth + 1);
}

void write_key(const Slot& slot, Out& out) {
  // Where it stands in the text without escapes, its bytes are at hand.
  if (slot.begin != nullptr && slot.key.data() == slot.begin + 1) {
    out.put({slot.begin, slot.key.size() + 2});
  } else {
    event::append_json_string(out.text(), slot.key);
  }
  out.put(":");
}

/// Neighbours that stayed as they were are copied in one piece, commas and all.
/// `end`: NewText::properties_end, of the member `marked`.
bool write_members(JSContext* context, Lazy& lazy, Out& out, size_t depth,
                   const Slot* marked = nullptr, size_t* end = nullptr) {
  out.put("{");
  const char* from = nullptr;
  const char* to = nullptr;
  bool first = true;
  const auto flush = [&] {
    if (from == nullptr) return;
    if (!first) out.put(",");
    out.put({from, to});
    if (marked != nullptr && marked->begin >= from && marked->begin < to) {
      *end = out.size() - static_cast<size_t>(to - (marked->raw.data() + marked->raw.size())) - 1;
    }
    first = false;
    from = nullptr;
  };
  for (const Slot& slot : lazy.slots) {
    if (slot.begin != nullptr && !lazy.twins && is_verbatim(context, slot, depth)) {
      if (from == nullptr) from = slot.begin;
      to = slot.raw.data() + slot.raw.size();
      continue;
    }
    flush();
    if (slot.state == Slot::State::kGone) continue;
    const Out::Place before = out.place();
    if (!first) out.put(",");
    write_key(slot, out);
    if (slot.begin != nullptr && is_verbatim(context, slot, depth)) {
      out.put(slot.raw);
    } else if (JS_IsUndefined(slot.value) || JS_IsSymbol(slot.value) ||
               JS_IsFunction(context, slot.value)) {
      out.back_to(before);
      continue;
    } else if (!write(context, slot.value, out, depth + 1)) {
      return false;
    }
    if (&slot == marked) *end = out.size() - 1;
    first = false;
  }
  flush();
  out.put("}");
  return true;
}

bool write(JSContext* context, JSValueConst value, Out& out, size_t depth) {
  if (depth > kDepthMax) return false;
  if (JS_IsObject(value)) {
    Lazy* lazy = lazy_of(value);
    if (lazy != nullptr && !lazy->ordinary) {
      if (!untouched(context, *lazy, depth)) return write_members(context, *lazy, out, depth);
      out.put(lazy->raw);
      return true;
    }
  }
  std::string& text = out.text();
  if (JS_IsBool(value)) {
    text.append(JS_VALUE_GET_BOOL(value) != 0 ? "true" : "false");
    return true;
  }
  if (JS_IsNull(value)) {
    text.append("null");
    return true;
  }
  if (JS_VALUE_GET_TAG(value) == JS_TAG_INT) {
    text.append(std::to_string(JS_VALUE_GET_INT(value)));
    return true;
  }
  if (JS_IsString(value) && write_string(context, value, text)) return true;
  return stringify(context, value, text);
}

}  // namespace

bool append_json(JSContext* context, JSValue value, std::string& out) {
  const size_t before = out.size();
  Out all(out);
  if (write(context, value, all, 0)) return true;
  out.resize(before);
  return false;
}

/// The event's properties, if they are an object without lists of apps.
const Slot* plain_properties(Lazy& event) {
  static const uint32_t hash = hash_of("properties");
  if (event.twins) return nullptr;
  Slot* slot = event.find("properties", hash);
  if (slot == nullptr || slot->state == Slot::State::kGone) return nullptr;
  const Lazy* inner = slot->inner                ? slot->inner.get()
                      : JS_IsObject(slot->value) ? lazy_of(slot->value)
                                                 : nullptr;
  if (inner == nullptr || inner->ordinary || inner->lists) return nullptr;
  return slot;
}

bool write_event(JSContext* context, JSValue value, std::string_view before, NewText& out) {
  out = {};
  Lazy* lazy = JS_IsObject(value) ? lazy_of(value) : nullptr;
  if (lazy == nullptr || lazy->ordinary) return append_json(context, value, out.between);
  const Slot* properties = plain_properties(*lazy);
  out.between.reserve(kAddedUsual);
  Out all(out.between, before);
  if (!write_members(context, *lazy, all, 0, properties, &out.properties_end)) {
    out = {};
    return false;
  }
  out.front = all.front();
  out.behind = same_behind(out.between, before.substr(out.front));
  out.between.resize(out.between.size() - out.behind);
  return true;
}

std::string_view text_of_lazy(JSValue value) {
  const Lazy* lazy = JS_IsObject(value) ? lazy_of(value) : nullptr;
  return lazy == nullptr ? std::string_view() : std::string_view(lazy->text->text);
}

size_t end_of_properties(JSValue value) {
  Lazy* lazy = lazy_of(value);
  const Slot* properties = plain_properties(*lazy);
  if (properties == nullptr) return 0;
  const char* last = properties->raw.data() + properties->raw.size() - 1;
  return static_cast<size_t>(last - lazy->text->text.data());
}

std::string_view untouched_member(JSValue value, std::string_view key) {
  Lazy* lazy = JS_IsObject(value) ? lazy_of(value) : nullptr;
  if (lazy == nullptr || lazy->ordinary) return {};
  const Slot* slot = lazy->find(key, hash_of(key));
  if (slot == nullptr || slot->state != Slot::State::kRaw) return {};
  return slot->raw;
}

bool is_untouched(JSContext* context, JSValue value) {
  const Lazy* lazy = JS_IsObject(value) ? lazy_of(value) : nullptr;
  return lazy != nullptr && !lazy->ordinary && untouched(context, *lazy, 0);
}

}  // namespace penstock::apps
