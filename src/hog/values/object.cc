// Arrays and objects: growth, look-up, what they cost, and JSON text that is looked into late.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <new>

#include "base/hash.h"
#include "event/json_scan.h"
#include "hog/value.h"
#include "hog/values/compare.h"
#include "hog/values/json.h"
#include "hog/values/number.h"

namespace penstock::hog {
namespace {

bool is_container(const Value& v) { return v.is(Kind::kArray) || v.is(Kind::kObject); }

/// What an item adds to its owner's own cost; containers are asked when the cost is.
uint64_t own_cost(const Value& v) {
  switch (v.kind()) {
    case Kind::kRaw: return 8 + v.raw_text().size();
    case Kind::kString: return 8 + v.as<String>().units;
    case Kind::kArray:
    case Kind::kObject: return 0;
    default: return v.is_cell() ? cost_of(v) : 8;
  }
}

std::string_view key_text(const Value& key) {
  if (key.is(Kind::kRaw)) return key.raw_text();
  return key.is_string() ? key.text() : std::string_view{};
}

uint32_t hash_text(std::string_view text) {
  const auto hash = static_cast<uint32_t>(hash64(text));
  return hash == 0 ? 1 : hash;
}

uint32_t hash_key(const Value& key) {
  switch (key.kind()) {
    case Kind::kRaw: return hash_text(key.raw_text());
    case Kind::kString: {
      auto& string = key.as<String>();
      if (string.refs == Cell::kForever) return hash_text(string.view());
      if (string.hash == 0) string.hash = hash_text(string.view());
      return string.hash;
    }
    case Kind::kNumber: {
      const double n = key.as_number() == 0 ? 0 : key.as_number();
      const auto bits = std::isnan(n) ? uint64_t{1} : std::bit_cast<uint64_t>(n);
      return static_cast<uint32_t>((bits * 0x9e3779b97f4a7c15ULL) >> 32);
    }
    case Kind::kBool: return key.as_bool() ? 3 : 5;
    case Kind::kNull: return 7;
    case Kind::kUndefined: return 11;
    default: return static_cast<uint32_t>(std::bit_cast<uintptr_t>(key.cell()) >> 4);
  }
}

template <typename T>
T* grown(Heap& heap, T* items, uint32_t size, uint32_t& capacity, size_t wanted) {
  const size_t next = std::max<size_t>(wanted, capacity == 0 ? 4 : size_t{capacity} * 2);
  if (next > UINT32_MAX / 2) throw Failure{"Memory limit exceeded. An array is too long."};
  T* out = static_cast<T*>(heap.take(next * sizeof(T)));
  for (uint32_t i = 0; i < size; i++) {
    new (out + i) T(std::move(items[i]));
    items[i].~T();
  }
  heap.give(items, capacity * sizeof(T));
  capacity = static_cast<uint32_t>(next);
  return out;
}

uint64_t deep_cost(const Value& v, int depth) {
  switch (v.kind()) {
    case Kind::kRaw: return 8 + v.raw_text().size();
    case Kind::kString: return 8 + v.as<String>().units;
    case Kind::kArray:
    case Kind::kObject: {
      Cell* cell = v.cell();
      if (cell->visiting) return 8;
      if (depth > kDepthMax) {
        throw Failure{"Value is nested too deeply: at most " + std::to_string(kDepthMax) +
                      " levels"};
      }
      uint32_t containers = 0;
      uint64_t cost = 0;
      if (v.is(Kind::kArray)) {
        containers = v.as<Array>().containers;
        cost = v.as<Array>().cost;
      } else {
        auto& object = v.as<Object>();
        if (object.raw != nullptr && !object.seen) return 8 + object.raw_size;
        containers = object.containers;
        cost = object.cost;
      }
      if (containers == 0) return cost;
      cell->visiting = true;
      try {
        if (v.is(Kind::kArray)) {
          for (const Value& item : v.as<Array>().span()) {
            if (is_container(item)) cost += deep_cost(item, depth + 1);
          }
        } else {
          auto& object = v.as<Object>();
          for (uint32_t i = 0; i < object.size; i++) {
            const Entry& entry = object.entries[i];
            if (is_container(entry.key)) cost += deep_cost(entry.key, depth + 1);
            if (is_container(entry.value)) cost += deep_cost(entry.value, depth + 1);
          }
        }
      } catch (...) {
        cell->visiting = false;
        throw;
      }
      cell->visiting = false;
      return cost;
    }
    // What follows is counted as the JavaScript objects they are there, names of parts included.
    case Kind::kDate: return 96;
    case Kind::kDateTime: return 78 + v.as<DateTime>().zone.as<String>().units;
    case Kind::kInterval:
      return 64 + deep_cost(v.as<Interval>().amount, depth + 1) +
             deep_cost(v.as<Interval>().unit, depth + 1);
    case Kind::kError: {
      auto& error = v.as<ErrorCell>();
      if (error.visiting || depth > kDepthMax) return 8;
      error.visiting = true;
      const uint64_t cost = 78 + deep_cost(error.type, depth + 1) +
                            deep_cost(error.message, depth + 1) +
                            deep_cost(error.payload, depth + 1);
      error.visiting = false;
      return cost;
    }
    case Kind::kCallable: {
      const auto& callable = v.as<Callable>();
      const uint64_t type = callable.call == CallKind::kStl ? 3 : 5;
      return 134 + type + deep_cost(callable.name, depth) + deep_cost(callable.chunk, depth);
    }
    case Kind::kClosure:
      return 78 + deep_cost(v.as<Closure>().callable, depth + 1) +
             uint64_t{8} * v.as<Closure>().size;
    default: return 8;
  }
}

}  // namespace

uint64_t cost_of(const Value& value) { return value.is_cell() ? deep_cost(value, 0) : 8; }

void Heap::push(Array& array, Value value) {
  if (array.size == array.capacity) {
    array.items = grown(*this, array.items, array.size, array.capacity, size_t{array.size} + 1);
  }
  array.cost += own_cost(value);
  if (is_container(value)) array.containers++;
  new (array.items + array.size) Value(std::move(value));
  array.size++;
}

void Heap::assign(Array& array, size_t at, Value value) {
  if (at >= array.size) {
    if (at > UINT32_MAX / 2) throw Failure{"Memory limit exceeded. An array is too long."};
    if (at >= array.capacity) {
      array.items = grown(*this, array.items, array.size, array.capacity, at + 1);
    }
    while (array.size < at) push(array, Value::undefined());
    push(array, std::move(value));
    return;
  }
  Value& slot = array.items[at];
  array.cost += own_cost(value) - own_cost(slot);
  array.containers += (is_container(value) ? 1U : 0U) - (is_container(slot) ? 1U : 0U);
  slot = std::move(value);
}

const Value& Heap::item(Array& array, size_t at) {
  Value& slot = array.items[at];
  if (slot.is(Kind::kRaw)) assign(array, at, from_raw(slot.raw_text()));
  return array.items[at];
}

void Heap::append_entry(Object& object, Value key, Value value) {
  if (object.size == object.capacity) {
    object.entries =
        grown(*this, object.entries, object.size, object.capacity, size_t{object.size} + 1);
  }
  object.cost += own_cost(key) + own_cost(value);
  object.containers += (is_container(key) ? 1U : 0U) + (is_container(value) ? 1U : 0U);
  new (object.entries + object.size) Entry{std::move(key), std::move(value)};
  object.size++;
}

/// Where text of JSON becomes keys and values that are text still.
void Heap::look_into(Object& object) {
  if (object.raw == nullptr || object.seen) return;
  const std::string_view text(object.raw, object.raw_size);
  object.seen = true;
  event::JsonScanner scan(text);
  bool fine = scan.accept('{'), indexes = false;
  if (fine && !scan.accept('}')) {
    do {
      std::string_view key, value;
      bool escaped = false;
      fine = scan.string(key, escaped) && scan.accept(':') && scan.value(value);
      if (!fine) break;
      Value name =
          escaped ? read_json_string(*this, key) : Value::raw(key.substr(1, key.size() - 2));
      indexes = indexes || array_index(key_text(name)).has_value();
      append_entry(object, std::move(name), Value::raw(value));
    } while (scan.accept(','));
    fine = fine && scan.accept('}');
  }
  if (!fine) throw Failure{"JSON text is malformed"};
  // A key given twice: the last value, at the first place.
  constexpr uint32_t kFew = 8;
  if (object.size > kFew) build_index(object);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < object.size; i++) {
    Entry& entry = object.entries[i];
    uint32_t first = i;
    if (object.size <= kFew) {
      for (first = 0; first < i; first++) {
        if (key_text(object.entries[first].key) == key_text(entry.key)) break;
      }
    } else if (Entry* found = find_entry(object, nullptr, key_text(entry.key), true)) {
      first = static_cast<uint32_t>(found - object.entries);
    }
    kept += first == i ? 1U : 0U;
  }
  if (kept != object.size) merge_duplicates(object);
  if (indexes) order_indexes(object);
}

void Heap::merge_duplicates(Object& object) {
  Value fresh = this->object(object.size);
  auto& target = fresh.as<Object>();
  for (uint32_t i = 0; i < object.size; i++) {
    set(target, std::move(object.entries[i].key), std::move(object.entries[i].value));
  }
  give(object.index, object.index_size * sizeof(uint32_t));
  object.index = std::exchange(target.index, nullptr);
  object.index_size = std::exchange(target.index_size, 0U);
  std::swap(object.entries, target.entries);
  std::swap(object.size, target.size);
  std::swap(object.capacity, target.capacity);
  std::swap(object.cost, target.cost);
  std::swap(object.containers, target.containers);
}

/// JavaScript lists keys that are array indexes first, by number.
void Heap::order_indexes(Object& object) {
  const auto rank = [](const Entry& entry) {
    const auto index = array_index(key_text(entry.key));
    return index ? uint64_t{*index} : UINT64_MAX;
  };
  std::stable_sort(object.entries, object.entries + object.size,
                   [&](const Entry& a, const Entry& b) { return rank(a) < rank(b); });
  if (object.index != nullptr) build_index(object);
}

void Heap::build_index(Object& object) {
  give(object.index, object.index_size * sizeof(uint32_t));
  object.index_size = std::bit_ceil(std::max<uint32_t>(16, object.size * 2));
  object.index = static_cast<uint32_t*>(take(object.index_size * sizeof(uint32_t)));
  std::memset(object.index, 0xff, object.index_size * sizeof(uint32_t));
  for (uint32_t i = 0; i < object.size; i++) {
    uint32_t at = hash_key(object.entries[i].key) & (object.index_size - 1);
    while (object.index[at] != UINT32_MAX) at = (at + 1) & (object.index_size - 1);
    object.index[at] = i;
  }
}

Entry* Heap::find_entry(Object& object, const Value* key, std::string_view text, bool is_text) {
  const auto same = [&](const Entry& entry) {
    if (is_text) {
      return (entry.key.is(Kind::kRaw) || entry.key.is_string()) && key_text(entry.key) == text;
    }
    return !entry.key.is(Kind::kRaw) && same_value_zero(entry.key, *key);
  };
  constexpr uint32_t kScanned = 12, kPatience = 4;
  if (object.index == nullptr) {
    if (object.size <= kScanned || ++object.lookups <= kPatience) {
      for (uint32_t i = 0; i < object.size; i++) {
        if (same(object.entries[i])) return object.entries + i;
      }
      return nullptr;
    }
    build_index(object);
  }
  const uint32_t mask = object.index_size - 1;
  uint32_t at = (is_text ? hash_text(text) : hash_key(*key)) & mask;
  for (; object.index[at] != UINT32_MAX; at = (at + 1) & mask) {
    if (same(object.entries[object.index[at]])) return object.entries + object.index[at];
  }
  return nullptr;
}

void Heap::set(Object& object, Value key, Value value) {
  look_into(object);
  object.raw = nullptr;
  const bool is_text = key.is_string() || key.is(Kind::kRaw);
  if (Entry* entry = find_entry(object, &key, key_text(key), is_text)) {
    object.cost += own_cost(value) - own_cost(entry->value);
    object.containers += (is_container(value) ? 1U : 0U) - (is_container(entry->value) ? 1U : 0U);
    entry->value = std::move(value);
    return;
  }
  append_entry(object, std::move(key), std::move(value));
  if (object.index == nullptr) return;
  if (object.size * 2 > object.index_size) return build_index(object);
  uint32_t at = hash_key(object.entries[object.size - 1].key) & (object.index_size - 1);
  while (object.index[at] != UINT32_MAX) at = (at + 1) & (object.index_size - 1);
  object.index[at] = object.size - 1;
}

const Value* Heap::find(Object& object, const Value& key) {
  look_into(object);
  const bool is_text = key.is_string();
  Entry* entry = find_entry(object, &key, is_text ? key.text() : std::string_view{}, is_text);
  return entry == nullptr ? nullptr
                          : &value_at(object, static_cast<size_t>(entry - object.entries));
}

const Value* Heap::find(Object& object, std::string_view key) {
  look_into(object);
  Entry* entry = find_entry(object, nullptr, key, true);
  return entry == nullptr ? nullptr
                          : &value_at(object, static_cast<size_t>(entry - object.entries));
}

const Value* Heap::peek(Object& object, std::string_view key) {
  look_into(object);
  Entry* entry = find_entry(object, nullptr, key, true);
  return entry == nullptr ? nullptr : &entry->value;
}

Value Heap::as_json_object(Object& object) {
  Value out = this->object(size(object));
  auto& target = out.as<Object>();
  bool indexes = false;
  for (size_t i = 0; i < object.size; i++) {
    const Value& key = key_at(object, i);
    Value name = key.is_string() ? key : string(to_js_string(*this, key));
    indexes = indexes || array_index(name.text()).has_value();
    set(target, std::move(name), object.entries[i].value);
  }
  if (indexes) order_indexes(target);
  return out;
}

bool Heap::is_json_object(Object& object) {
  for (size_t i = 0; i < object.size; i++) {
    const Value& key = object.entries[i].key;
    if (key.is(Kind::kRaw)) continue;  // was put in order when it was looked into
    if (!key.is_string() || array_index(key.text())) return false;
  }
  return true;
}

size_t Heap::size(Object& object) {
  look_into(object);
  return object.size;
}

const Value& Heap::key_at(Object& object, size_t at) {
  Value& key = object.entries[at].key;
  if (key.is(Kind::kRaw)) {
    Value text = borrowed(key.raw_text());
    object.cost += own_cost(text) - own_cost(key);
    key = std::move(text);
  }
  return key;
}

const Value& Heap::value_at(Object& object, size_t at) {
  if (object.entries[at].value.is(Kind::kRaw)) {
    Value seen = from_raw(object.entries[at].value.raw_text());
    Value& slot = object.entries[at].value;
    object.cost += own_cost(seen) - own_cost(slot);
    object.containers += is_container(seen) ? 1U : 0U;
    slot = std::move(seen);
  }
  return object.entries[at].value;
}

}  // namespace penstock::hog
