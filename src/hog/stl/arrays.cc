// Functions on arrays and objects. They copy; only assignments change what they are given.
#include <algorithm>
#include <cmath>

#include "hog/stl/functions.h"
#include "hog/values/compare.h"
#include "hog/values/text.h"

namespace penstock::hog::stl {
namespace {

/// The items, none raw; nullptr for what is no array.
Array* array_of(Heap& heap, const Value& value) {
  if (!value.is(Kind::kArray)) return nullptr;
  auto& array = value.as<Array>();
  for (size_t i = 0; i < array.size; i++) heap.item(array, i);
  return &array;
}

Value copied(Heap& heap, std::span<const Value> items) {
  Value out = heap.array(items.size());
  for (const Value& item : items) heap.push(out.as<Array>(), item);
  return out;
}

}  // namespace

Value range(Context& context, Arguments args, std::string_view) {
  Heap& heap = context.heap;
  const double from = args.size() == 1 ? 0 : to_number(heap, args[0]);
  const double size = args.size() == 1 ? to_number(heap, args[0])
                                       : to_number(heap, args[1]) - to_number(heap, args[0]);
  if (std::isnan(size) || size < 1) return heap.array();
  if (16 * size > static_cast<double>(context.limits->memory_bytes)) {
    throw Failure{"Memory limit of " + std::to_string(context.limits->memory_bytes) +
                  " bytes exceeded by range"};
  }
  const auto count = static_cast<size_t>(size);
  Value out = heap.array(count);
  for (size_t i = 0; i < count; i++) {
    heap.push(out.as<Array>(), Value::number(from + static_cast<double>(i)));
  }
  return out;
}

Value tuple(Context& context, Arguments args, std::string_view) {
  Value out = copied(context.heap, args);
  out.cell()->tuple = true;
  return out;
}

Value push_back(Context& context, Arguments args, std::string_view) {
  Array* array = array_of(context.heap, args[0]);
  if (array == nullptr) return copied(context.heap, args.subspan(1, 1));
  Value out = context.heap.array(size_t{array->size} + 1);
  for (const Value& item : array->span()) context.heap.push(out.as<Array>(), item);
  context.heap.push(out.as<Array>(), args[1]);
  return out;
}

Value push_front(Context& context, Arguments args, std::string_view) {
  Array* array = array_of(context.heap, args[0]);
  Value out = context.heap.array(array == nullptr ? 1 : size_t{array->size} + 1);
  context.heap.push(out.as<Array>(), args[1]);
  if (array == nullptr) return out;
  for (const Value& item : array->span()) context.heap.push(out.as<Array>(), item);
  return out;
}

Value pop_back(Context& context, Arguments args, std::string_view) {
  Array* array = array_of(context.heap, args[0]);
  if (array == nullptr || array->size == 0) return context.heap.array();
  return copied(context.heap, array->span().first(array->size - 1));
}

Value pop_front(Context& context, Arguments args, std::string_view) {
  Array* array = array_of(context.heap, args[0]);
  if (array == nullptr || array->size == 0) return context.heap.array();
  return copied(context.heap, array->span().subspan(1));
}

Value sort(Context& context, Arguments args, std::string_view) {
  Array* array = array_of(context.heap, args[0]);
  if (array == nullptr) return context.heap.array();
  std::vector<std::pair<std::string, size_t>> keys;
  keys.reserve(array->size);
  for (size_t i = 0; i < array->size; i++) {
    if (array->items[i].is(Kind::kUndefined)) continue;
    keys.emplace_back(to_js_string(context.heap, array->items[i]), i);
  }
  std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) {
    return compare_utf16(a.first, b.first) < 0;
  });
  Value out = context.heap.array(array->size);
  for (const auto& [key, at] : keys) context.heap.push(out.as<Array>(), array->items[at]);
  while (out.as<Array>().size < array->size) {
    context.heap.push(out.as<Array>(), Value::undefined());
  }
  return out;
}

Value array_reverse(Context& context, Arguments args, std::string_view) {
  Array* array = array_of(context.heap, args[0]);
  if (array == nullptr) return context.heap.array();
  Value out = context.heap.array(array->size);
  for (size_t i = array->size; i-- > 0;) context.heap.push(out.as<Array>(), array->items[i]);
  return out;
}

Value reverse_sort(Context& context, Arguments args, std::string_view self) {
  const Value sorted[] = {sort(context, args, self)};
  return array_reverse(context, sorted, self);
}

Value string_concat(Context& context, Arguments args, std::string_view) {
  Array* array = array_of(context.heap, args[0]);
  if (array == nullptr) return context.heap.borrowed("");
  const Value given = argument(args, 1);
  const std::string between = given.is(Kind::kUndefined) ? "" : to_js_string(context.heap, given);
  std::string out;
  for (size_t i = 0; i < array->size; i++) {
    if (i > 0) out += between;
    if (!array->items[i].is_nothing()) out += to_js_string(context.heap, array->items[i]);
    if (out.size() > context.limits->heap_bytes) throw Failure{"Memory limit exceeded"};
  }
  return context.heap.string(out);
}

Value has(Context& context, Arguments args, std::string_view) {
  Array* array = array_of(context.heap, args[0]);
  if (array == nullptr) return Value::boolean(false);
  return Value::boolean(std::ranges::any_of(
      array->span(), [&](const Value& item) { return same_value_zero(item, args[1]); }));
}

Value index_of(Context& context, Arguments args, std::string_view) {
  Array* array = array_of(context.heap, args[0]);
  for (size_t i = 0; array != nullptr && i < array->size; i++) {
    if (strictly_equal(array->items[i], args[1])) return Value::number(i + 1);
  }
  return Value::number(0.0);
}

Value keys(Context& context, Arguments args, std::string_view) {
  Heap& heap = context.heap;
  const Value& v = args[0];
  if (v.is_null()) throw Failure{"Function keys needs an object, not null"};
  Value out = heap.array();
  auto& names = out.as<Array>();
  if (v.is(Kind::kArray)) {
    for (size_t i = 0; i < v.as<Array>().size; i++) heap.push(names, Value::number(i));
  } else if (v.is(Kind::kObject)) {
    auto& object = v.as<Object>();
    for (size_t i = 0; i < heap.size(object); i++) heap.push(names, heap.key_at(object, i));
  } else {
    for (const auto& [name, part] : own_parts(heap, v)) heap.push(names, heap.string(name));
  }
  return out;
}

Value values(Context& context, Arguments args, std::string_view) {
  Heap& heap = context.heap;
  const Value& v = args[0];
  if (v.is_null()) throw Failure{"Function values needs an object or an array, not null"};
  if (Array* array = array_of(heap, v)) return copied(heap, array->span());
  Value out = heap.array();
  auto& items = out.as<Array>();
  if (v.is(Kind::kObject)) {
    auto& object = v.as<Object>();
    for (size_t i = 0; i < heap.size(object); i++) heap.push(items, heap.value_at(object, i));
  } else {
    for (const auto& [name, part] : own_parts(heap, v)) heap.push(items, part);
  }
  return out;
}

}  // namespace penstock::hog::stl
