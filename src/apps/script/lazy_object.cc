#include "apps/script/lazy_object.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "apps/script/lazy.h"
#include "base/assert.h"
#include "event/json_fields.h"
#include "event/json_index.h"

namespace penstock::apps {
namespace {

constexpr size_t kAtomTextsMax = 1024;

JSClassID class_id = 0;

/// The texts of keys that scripts asked for lately: asking the engine each time costs more than
/// finding the member. One per runtime, in its opaque pointer's place for this file.
struct AtomTexts {
  struct Entry {
    JSAtom atom = JS_ATOM_NULL;  // that it is of, and holds
    std::string text{};
    uint32_t hash = 0;
    bool symbol = false;
  };
  /// By the atom's low bits: what falls on another one's place takes it.
  std::array<std::unique_ptr<Entry>, kAtomTextsMax> entries;
};

thread_local std::unordered_map<JSRuntime*, AtomTexts> atom_texts;
thread_local JSRuntime* atom_runtime = nullptr;
thread_local AtomTexts* atom_current = nullptr;

AtomTexts& texts_of(JSContext* context) {
  JSRuntime* runtime = JS_GetRuntime(context);
  if (runtime != atom_runtime) {
    atom_current = &atom_texts[runtime];
    atom_runtime = runtime;
  }
  return *atom_current;
}

const AtomTexts::Entry& text_of_atom(JSContext* context, JSAtom atom) {
  std::unique_ptr<AtomTexts::Entry>& place = texts_of(context).entries[atom % kAtomTextsMax];
  if (place != nullptr && place->atom == atom) return *place;
  if (place == nullptr) place = std::make_unique<AtomTexts::Entry>();
  if (place->atom != JS_ATOM_NULL) JS_FreeAtom(context, place->atom);
  AtomTexts::Entry& entry = *place;
  entry.atom = JS_DupAtom(context, atom);
  entry.text.clear();
  const Js value(context, JS_AtomToValue(context, atom));
  entry.symbol = JS_IsSymbol(value.get());
  if (!entry.symbol) {
    size_t size = 0;
    if (const char* text = JS_AtomToCStringLen(context, &size, atom)) {
      entry.text.assign(text, size);
      JS_FreeCString(context, text);
    }
  }
  entry.hash = hash_of(entry.text);
  return entry;
}

Js make_over(JSContext* context, const std::shared_ptr<const LazyText>& text, std::string_view raw);
Js wrap(JSContext* context, LazyPtr lazy);

Js read_number(JSContext* context, std::string_view raw) {
  int64_t whole = 0;
  const char* end = raw.data() + raw.size();
  if (raw.size() < 16 && raw != "-0") {
    const auto [at, error] = std::from_chars(raw.data(), end, whole);
    if (error == std::errc() && at == end) return {context, JS_NewInt64(context, whole)};
  }
  double value = 0;
  const auto [at, error] = std::from_chars(raw.data(), end, value);
  if (error == std::errc() && at == end) return {context, JS_NewFloat64(context, value)};
  return parse_json(context, raw);  // larger than a double holds
}

Js read_value(JSContext* context, const Lazy& lazy, std::string_view raw) {
  switch (raw.front()) {
    case '{': return make_over(context, lazy.text, raw);
    case '"':
      if (raw.find('\\') == std::string_view::npos) {
        return new_text(context, raw.substr(1, raw.size() - 2));
      }
      return parse_json(context, raw);
    case 't': return {context, kTrue};
    case 'f': return {context, kFalse};
    case 'n': return {context, kNull};
    case '[': return parse_json(context, raw);
    default: return read_number(context, raw);
  }
}

/// Makes the member's value if nobody asked for it before. False: it threw.
bool touch(JSContext* context, const Lazy& lazy, Slot& slot) {
  if (slot.state != Slot::State::kRaw) return true;
  Js value =
      slot.inner ? wrap(context, std::move(slot.inner)) : read_value(context, lazy, slot.raw);
  if (value.is_exception()) return false;
  slot.value = value.release();
  slot.state = Slot::State::kRead;
  return true;
}

Slot* live(Lazy* lazy, const AtomTexts::Entry& entry) {
  if (entry.symbol) return nullptr;
  return lazy->find(entry.text, entry.hash);
}

void put(JSContext* context, Lazy& lazy, Slot& slot, JSValueConst value) {
  const JSValue old = slot.value;
  slot.value = JS_DupValue(context, value);
  slot.state = Slot::State::kSet;
  lazy.changed = true;
  JS_FreeValue(context, old);
}

void drop(JSContext* context, Lazy& lazy, Slot& slot) {
  const JSValue old = slot.value;
  lazy.remove(slot);
  JS_FreeValue(context, old);
}

int get_own(JSContext* context, JSPropertyDescriptor* out, JSValueConst object, JSAtom key) {
  Lazy* lazy = lazy_of(object);
  Slot* slot = live(lazy, text_of_atom(context, key));
  if (slot == nullptr) return 0;
  if (out != nullptr) {
    if (!touch(context, *lazy, *slot)) return -1;
    out->flags = JS_PROP_C_W_E;
    out->value = JS_DupValue(context, slot->value);
    out->getter = kUndefined;
    out->setter = kUndefined;
  }
  return 1;
}

bool is_array_index(std::string_view key) {
  if (key.empty() || key.size() > 10 || (key.size() > 1 && key[0] == '0')) return false;
  if (!std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; })) return false;
  return key.size() < 10 || key <= "4294967294";  // the largest that an array can have
}

/// Where the members stand when they are listed: numbers in their order, then the rest.
std::vector<const Slot*> in_order(const Lazy& lazy) {
  std::vector<const Slot*> out;
  bool numbers = false;
  for (const Slot& slot : lazy.slots) {
    if (slot.state == Slot::State::kGone) continue;
    numbers = numbers || is_array_index(slot.key);
    out.push_back(&slot);
  }
  if (numbers) {
    std::ranges::stable_sort(out, [](const Slot* a, const Slot* b) {
      const bool x = is_array_index(a->key), y = is_array_index(b->key);
      if (x != y) return x;
      if (!x) return false;
      return a->key.size() != b->key.size() ? a->key.size() < b->key.size() : a->key < b->key;
    });
  }
  return out;
}

int get_names(JSContext* context, JSPropertyEnum** out, uint32_t* count, JSValueConst object) {
  const std::vector<const Slot*> slots = in_order(*lazy_of(object));
  const size_t bytes = sizeof(JSPropertyEnum) * std::max<size_t>(slots.size(), 1);
  auto* names = static_cast<JSPropertyEnum*>(js_malloc(context, bytes));
  if (names == nullptr) return -1;
  for (size_t i = 0; i < slots.size(); i++) {
    names[i].is_enumerable = 1;
    names[i].atom = JS_NewAtomLen(context, slots[i]->key.data(), slots[i]->key.size());
  }
  *out = names;
  *count = static_cast<uint32_t>(slots.size());
  return 0;
}

int remove_own(JSContext* context, JSValueConst object, JSAtom key) {
  Lazy* lazy = lazy_of(object);
  if (Slot* slot = live(lazy, text_of_atom(context, key))) drop(context, *lazy, *slot);
  return 1;
}

int define_own(JSContext* context, JSValueConst object, JSAtom key, JSValueConst value,
               JSValueConst getter, JSValueConst setter, int flags) {
  Lazy* lazy = lazy_of(object);
  const AtomTexts::Entry& entry = text_of_atom(context, key);
  Slot* slot = live(lazy, entry);
  const auto lacks = [&](int has, int is) {
    return (flags & has) != 0 ? (flags & is) == 0 : slot == nullptr;
  };
  const bool plain = !entry.symbol && (flags & (JS_PROP_HAS_GET | JS_PROP_HAS_SET)) == 0 &&
                     !lacks(JS_PROP_HAS_CONFIGURABLE, JS_PROP_CONFIGURABLE) &&
                     !lacks(JS_PROP_HAS_WRITABLE, JS_PROP_WRITABLE) &&
                     !lacks(JS_PROP_HAS_ENUMERABLE, JS_PROP_ENUMERABLE);
  if (slot == nullptr && lazy->closed) {
    if ((flags & JS_PROP_THROW) == 0) return 0;
    JS_ThrowTypeError(context, "object is not extensible");
    return -1;
  }
  if (plain) {
    if (slot == nullptr) {
      if (!lazy->count(sizeof(Slot) + entry.text.size())) {
        JS_ThrowOutOfMemory(context);
        return -1;
      }
      slot = &lazy->add(lazy->keep(entry.text), entry.hash);
      put(context, *lazy, *slot, (flags & JS_PROP_HAS_VALUE) != 0 ? value : kUndefined);
    } else if ((flags & JS_PROP_HAS_VALUE) != 0) {
      put(context, *lazy, *slot, value);
    }
    return 1;
  }
  // More than a plain value: from now on an ordinary property, which the engine looks at first.
  Js kept;
  int all = flags;
  if (slot != nullptr) {
    if (!touch(context, *lazy, *slot)) return -1;
    kept = Js(context, JS_DupValue(context, slot->value));
    for (const auto& [has, is] : {std::pair{JS_PROP_HAS_CONFIGURABLE, JS_PROP_CONFIGURABLE},
                                  {JS_PROP_HAS_ENUMERABLE, JS_PROP_ENUMERABLE},
                                  {JS_PROP_HAS_WRITABLE, JS_PROP_WRITABLE}}) {
      const bool accessor = (flags & (JS_PROP_HAS_GET | JS_PROP_HAS_SET)) != 0;
      if ((flags & has) == 0 && !(accessor && has == JS_PROP_HAS_WRITABLE)) all |= has | is;
    }
    drop(context, *lazy, *slot);
    if ((flags & (JS_PROP_HAS_VALUE | JS_PROP_HAS_GET | JS_PROP_HAS_SET)) == 0) {
      all |= JS_PROP_HAS_VALUE;
      value = kept.get();
    }
  }
  lazy->ordinary = true;
  lazy->changed = true;
  return JS_DefineProperty(context, object, key, value, getter, setter, all | JS_PROP_NO_EXOTIC);
}

JSValue get_any(JSContext* context, JSValueConst object, JSAtom key, JSValueConst receiver) {
  Lazy* lazy = lazy_of(object);
  if (Slot* slot = live(lazy, text_of_atom(context, key))) {
    if (!touch(context, *lazy, *slot)) return kException;
    return JS_DupValue(context, slot->value);
  }
  const Js proto(context, JS_GetPrototype(context, object));
  if (!JS_IsObject(proto.get())) return kUndefined;
  return JS_GetPropertyInternal(context, proto.get(), key, receiver, 0);
}

int has_any(JSContext* context, JSValueConst object, JSAtom key) {
  if (live(lazy_of(object), text_of_atom(context, key)) != nullptr) return 1;
  const Js proto(context, JS_GetPrototype(context, object));
  return JS_IsObject(proto.get()) ? JS_HasProperty(context, proto.get(), key) : 0;
}

int set_any(JSContext* context, JSValueConst object, JSAtom key, JSValueConst value,
            JSValueConst receiver, int flags) {
  Lazy* lazy = lazy_of(object);
  const bool own = JS_IsObject(receiver) && JS_VALUE_GET_PTR(receiver) == JS_VALUE_GET_PTR(object);
  if (Slot* slot = live(lazy, text_of_atom(context, key))) {
    if (own) {
      put(context, *lazy, *slot, value);
      return 1;
    }
    return JS_DefinePropertyValue(context, receiver, key, JS_DupValue(context, value),
                                  JS_PROP_C_W_E | flags);
  }
  const Js proto(context, JS_GetPrototype(context, object));
  if (!JS_IsObject(proto.get())) {
    return JS_DefinePropertyValue(context, receiver, key, JS_DupValue(context, value),
                                  JS_PROP_C_W_E | flags);
  }
  // Setters further up have their turn; without one it ends in define_own of the receiver.
  return JS_SetPropertyInternal(context, proto.get(), key, JS_DupValue(context, value), receiver,
                                flags);
}

int is_open(JSContext*, JSValueConst object) { return lazy_of(object)->closed ? 0 : 1; }

/// The engine's own mark stays unset: members have to become ordinary ones after this.
int close(JSContext*, JSValueConst object) {
  lazy_of(object)->closed = true;
  return 1;
}

JSClassExoticMethods methods() {
  JSClassExoticMethods out{};
  out.get_own_property = get_own;
  out.get_own_property_names = get_names;
  out.delete_property = remove_own;
  out.define_own_property = define_own;
  out.has_property = has_any;
  out.get_property = get_any;
  out.set_property = set_any;
  out.is_extensible = is_open;
  out.prevent_extensions = close;
  return out;
}

void finalize(JSRuntime* runtime, JSValue value) {
  LazyPtr lazy(lazy_of(value));
  if (lazy == nullptr) return;
  for (Slot& slot : lazy->slots) JS_FreeValueRT(runtime, slot.value);
}

void mark(JSRuntime* runtime, JSValueConst value, JS_MarkFunc* marker) {
  Lazy* lazy = lazy_of(value);
  if (lazy == nullptr) return;
  for (Slot& slot : lazy->slots) JS_MarkValue(runtime, slot.value, marker);
}

constexpr size_t kMembersUsual = 32, kMembersOutside = 12;

/// Reads one object from where `in` stands. The one member that nearly every app asks for is split
/// on the way, in place of looking through it twice.
template <class Scanner>
bool split(Scanner& in, Lazy& lazy, bool outermost) {
  const char* begin = in.next_begin();
  if (!in.accept('{')) return false;
  lazy.slots.reserve(outermost ? kMembersOutside : kMembersUsual);
  std::bitset<1024> seen;  // of hashes: most keys are told apart without a look at the others
  if (!in.accept('}')) {
    do {
      const char* member = in.next_begin();
      std::string_view key, value;
      bool escaped = false;
      if (!in.string(key, escaped) || !in.accept(':')) return false;
      key = escaped ? lazy.keep(event::decode_string(key)) : key.substr(1, key.size() - 2);
      LazyPtr inner;
      if (outermost && key == "properties" && in.peek() == '{') {
        inner = new_lazy();
        inner->text = lazy.text;
        if (!split(in, *inner, false)) return false;
        value = inner->raw;
      } else if (!in.value(value)) {
        return false;
      }
      const uint32_t hash = hash_of(key);
      auto&& bit = seen[hash % seen.size()];
      Slot* slot = bit ? lazy.find(key, hash) : nullptr;
      bit = true;
      if (slot != nullptr) lazy.twins = lazy.changed = true;  // written back, it has each key once
      Slot& kept = slot != nullptr ? *slot : lazy.add(key, hash);
      kept.begin = member;
      kept.raw = value;
      kept.inner = std::move(inner);
    } while (in.accept(','));
    if (!in.accept('}')) return false;
  }
  lazy.raw = {begin, static_cast<size_t>(in.last_end() - begin)};
  return true;
}

Js wrap(JSContext* context, LazyPtr lazy) {
  Js object(context, JS_NewObjectClass(context, static_cast<int>(class_id)));
  if (!object.is_exception()) JS_SetOpaque(object.get(), lazy.release());
  return object;
}

Js make_over(JSContext* context, const std::shared_ptr<const LazyText>& text,
             std::string_view raw) {
  static thread_local event::JsonIndex index;
  auto lazy = new_lazy();
  lazy->text = text;
  const bool good =
      event::read_json(index, raw, [&](auto in) { return split(in, *lazy, true) && in.at_end(); });
  if (!good) return {context, JS_ThrowTypeError(context, "the event is not JSON")};
  if (!lazy->count(lazy->slots.size() * sizeof(Slot))) {
    return {context, JS_ThrowOutOfMemory(context)};
  }
  return wrap(context, std::move(lazy));
}

}  // namespace

Lazy* lazy_of(JSValueConst value) { return static_cast<Lazy*>(JS_GetOpaque(value, class_id)); }

void register_lazy_objects(JSRuntime* runtime) {
  static JSClassExoticMethods exotic = methods();
  if (class_id == 0) JS_NewClassID(&class_id);
  JSClassDef definition{};
  definition.class_name = "Object";
  definition.finalizer = finalize;
  definition.gc_mark = mark;
  definition.exotic = &exotic;
  PENSTOCK_ASSERT(JS_NewClass(runtime, class_id, &definition) == 0);
}

void prepare_lazy_objects(JSContext* context) {
  const Js plain(context, JS_NewObject(context));
  JS_SetClassProto(context, class_id, JS_GetPrototype(context, plain.get()));
}

void forget_lazy_objects(JSContext* context) {
  JSRuntime* runtime = JS_GetRuntime(context);
  const auto found = atom_texts.find(runtime);
  if (found == atom_texts.end()) return;
  for (const auto& entry : found->second.entries) {
    if (entry != nullptr) JS_FreeAtom(context, entry->atom);
  }
  atom_texts.erase(found);
  if (atom_runtime == runtime) atom_runtime = nullptr;
}

Js make_lazy(JSContext* context, std::shared_ptr<const LazyText> text) {
  const std::string_view raw = text->text;
  return make_over(context, text, raw);
}

}  // namespace penstock::apps
