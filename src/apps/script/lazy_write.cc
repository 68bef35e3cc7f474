// Lazy objects back to text: what nobody changed as the bytes it was.
#include <string>
#include <string_view>

#include "apps/script/lazy.h"
#include "event/json_fields.h"

namespace penstock::apps {
namespace {

constexpr size_t kDepthMax = 100;

bool write(JSContext* context, JSValueConst value, std::string& out, size_t depth);

/// Whether a list that was looked at is still what its text says, however that is written.
bool same_list(JSContext* context, const Slot& slot, std::string& text, size_t depth) {
  text.clear();
  if (!write(context, slot.value, text, depth)) return false;
  if (text == slot.raw) return true;
  const Js before = parse_json(context, slot.raw);
  std::string old;
  return !before.is_exception() && write(context, before.get(), old, depth) && text == old;
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

/// Neighbours that stayed as they were are copied in one piece, commas and all.
/// `end`: as append_event's, of the member `marked`.
bool write_members(JSContext* context, Lazy& lazy, std::string& out, size_t depth,
                   const Slot* marked = nullptr, size_t* end = nullptr) {
  out.push_back('{');
  const char* from = nullptr;
  const char* to = nullptr;
  bool first = true;
  const auto flush = [&] {
    if (from == nullptr) return;
    if (!first) out.push_back(',');
    out.append(from, to);
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
    const size_t before = out.size();
    if (!first) out.push_back(',');
    event::append_json_string(out, slot.key);
    out.push_back(':');
    if (slot.begin != nullptr && is_verbatim(context, slot, depth)) {
      out.append(slot.raw);
    } else if (JS_IsUndefined(slot.value) || JS_IsSymbol(slot.value) ||
               JS_IsFunction(context, slot.value)) {
      out.resize(before);
      continue;
    } else if (!write(context, slot.value, out, depth + 1)) {
      return false;
    }
    if (&slot == marked) *end = out.size() - 1;
    first = false;
  }
  flush();
  out.push_back('}');
  return true;
}

bool write(JSContext* context, JSValueConst value, std::string& out, size_t depth) {
  if (depth > kDepthMax) return false;
  if (JS_IsBool(value)) {
    out.append(JS_VALUE_GET_BOOL(value) != 0 ? "true" : "false");
    return true;
  }
  if (JS_IsNull(value)) {
    out.append("null");
    return true;
  }
  if (JS_VALUE_GET_TAG(value) == JS_TAG_INT) {
    out.append(std::to_string(JS_VALUE_GET_INT(value)));
    return true;
  }
  if (JS_IsObject(value)) {
    Lazy* lazy = lazy_of(value);
    if (lazy != nullptr && !lazy->ordinary) {
      if (untouched(context, *lazy, depth)) {
        out.append(lazy->raw);
        return true;
      }
      return write_members(context, *lazy, out, depth);
    }
  }
  return stringify(context, value, out);
}

}  // namespace

bool append_json(JSContext* context, JSValue value, std::string& out) {
  const size_t before = out.size();
  if (write(context, value, out, 0)) return true;
  out.resize(before);
  return false;
}

/// The event's properties, if they are an object without lists of apps.
const Slot* plain_properties(Lazy& event) {
  if (event.twins) return nullptr;
  Slot* slot = event.find("properties");
  if (slot == nullptr || slot->state == Slot::State::kGone) return nullptr;
  const Lazy* inner = slot->inner                ? slot->inner.get()
                      : JS_IsObject(slot->value) ? lazy_of(slot->value)
                                                 : nullptr;
  if (inner == nullptr || inner->ordinary) return nullptr;
  for (const Slot& member : inner->slots) {
    if (member.key.starts_with("$plugins_")) return nullptr;
  }
  return slot;
}

bool append_event(JSContext* context, JSValue value, std::string& out, size_t& end) {
  end = 0;
  Lazy* lazy = JS_IsObject(value) ? lazy_of(value) : nullptr;
  if (lazy == nullptr || lazy->ordinary || !out.empty()) return append_json(context, value, out);
  const Slot* properties = plain_properties(*lazy);
  if (write_members(context, *lazy, out, 0, properties, &end)) return true;
  out.clear();
  end = 0;
  return false;
}

size_t end_of_properties(JSValue value) {
  Lazy* lazy = lazy_of(value);
  const Slot* properties = plain_properties(*lazy);
  if (properties == nullptr) return 0;
  const char* last = properties->raw.data() + properties->raw.size() - 1;
  return static_cast<size_t>(last - lazy->text->text.data());
}

bool is_untouched(JSContext* context, JSValue value) {
  const Lazy* lazy = JS_IsObject(value) ? lazy_of(value) : nullptr;
  return lazy != nullptr && !lazy->ordinary && untouched(context, *lazy, 0);
}

}  // namespace penstock::apps
