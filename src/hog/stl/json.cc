// Functions on JSON text.
#include <cmath>

#include "hog/stl/functions.h"
#include "hog/values/compare.h"
#include "hog/values/json.h"
#include "hog/values/number.h"

namespace penstock::hog::stl {
namespace {

/// The document of a JSON function; nullopt: the text is no JSON.
std::optional<Value> document(Heap& heap, const Value& given) {
  if (!given.is_string()) return given;
  if (!is_json(given.text())) return std::nullopt;
  return parse_json(heap, given.text(), Revive::kNothing);
}

/// What lies at a path; null where it ends.
Value at_path(Heap& heap, Value value, Arguments path) {
  if (!value.is_cell() || value.is_string()) return {};
  for (const Value& key : path) {
    if (value.is_nothing()) return {};
    value = property(heap, value, key, true);
  }
  return value;
}

/// nullopt: the text is no JSON.
std::optional<Value> found(Heap& heap, Arguments args) {
  auto root = document(heap, args[0]);
  if (!root) return std::nullopt;
  return at_path(heap, std::move(*root), args.subspan(1));
}

}  // namespace

Value json_parse(Context& context, Arguments args, std::string_view) {
  const std::string text = to_js_string(context.heap, args[0]);
  return parse_json(context.heap, text, Revive::kErrors);
}

Value json_stringify(Context& context, Arguments args, std::string_view) {
  JsonStyle style;
  const Value indent = argument(args, 1);
  if (indent.is_number() && indent.as_number() > 0) {
    style.indent = static_cast<int>(std::min(10.0, std::floor(indent.as_number())));
  }
  std::string out;
  if (!write_json(context.heap, out, args[0], style)) return Value::undefined();
  return context.heap.string(out);
}

Value is_valid_json(Context& context, Arguments args, std::string_view) {
  return Value::boolean(is_json(to_js_string(context.heap, args[0])));
}

Value json_has(Context& context, Arguments args, std::string_view) {
  Heap& heap = context.heap;
  Value here = args[0];
  for (const Value& key : args.subspan(1)) {
    auto seen = document(heap, here);
    if (!seen) return Value::boolean(false);
    if (seen->is(Kind::kObject)) {
      const Value* value = heap.find(seen->as<Object>(), key);
      if (value == nullptr) return Value::boolean(false);
      here = *value;
      continue;
    }
    if (!seen->is(Kind::kArray) || !key.is_number()) return Value::boolean(false);
    const double n = key.as_number(), size = seen->as<Array>().size;
    const double at = n > 0 ? n - 1 : size + n;
    if (n == 0 || at < 0 || at >= size || at != std::trunc(at)) return Value::boolean(false);
    here = heap.item(seen->as<Array>(), static_cast<size_t>(at));
  }
  return Value::boolean(true);
}

Value json_length(Context& context, Arguments args, std::string_view) {
  const auto value = found(context.heap, args);
  if (!value) return Value::number(0.0);
  if (value->is(Kind::kArray)) return Value::number(size_t{value->as<Array>().size});
  if (value->is(Kind::kObject)) return Value::number(context.heap.size(value->as<Object>()));
  return Value::number(0.0);
}

/// The last argument names a type, as in ClickHouse; nobody asks for it.
Value json_extract(Context& context, Arguments args, std::string_view) {
  return found(context.heap, args.first(args.size() - 1)).value_or(Value());
}

Value json_extract_array(Context& context, Arguments args, std::string_view) {
  const Value value = found(context.heap, args).value_or(Value());
  return value.is(Kind::kArray) ? value : Value();
}

Value json_extract_bool(Context& context, Arguments args, std::string_view) {
  auto value = document(context.heap, args[0]);
  if (value && args.size() > 1) value = at_path(context.heap, *value, args.subspan(1));
  return Value::boolean(value && value->is_true());
}

Value json_extract_float(Context& context, Arguments args, std::string_view) {
  const auto value = found(context.heap, args);
  const double n = value ? parse_float(to_js_string(context.heap, *value)) : std::nan("");
  return std::isnan(n) ? Value() : Value::number(n);
}

Value json_extract_int(Context& context, Arguments args, std::string_view) {
  const auto value = found(context.heap, args);
  const double n = value ? parse_int(to_js_string(context.heap, *value)) : std::nan("");
  return std::isnan(n) ? Value() : Value::number(n);
}

Value json_extract_string(Context& context, Arguments args, std::string_view) {
  const auto value = found(context.heap, args);
  if (!value || value->is_nothing()) return {};
  std::string text = to_js_string(context.heap, *value);
  if (value->is_string()) return context.heap.string(std::move(text));
  // What comes straight from JSON is a plain object there, as text too.
  constexpr std::string_view kMap = "[object Map]", kPlain = "[object Object]";
  for (size_t at = 0; (at = text.find(kMap, at)) != std::string::npos; at += kPlain.size()) {
    text.replace(at, kMap.size(), kPlain);
  }
  return context.heap.string(std::move(text));
}

}  // namespace penstock::hog::stl
