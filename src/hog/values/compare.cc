#include "hog/values/compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "hog/stl/dates.h"
#include "hog/values/number.h"
#include "hog/values/text.h"

namespace penstock::hog {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// JavaScript's ToPrimitive: objects become text.
Value primitive(Heap& heap, const Value& v) {
  return v.is_cell() && !v.is_string() ? heap.string(to_js_string(heap, v)) : v;
}

bool ordered(Heap& heap, const Value& left, const Value& right, bool or_equal) {
  const Value a = primitive(heap, left), b = primitive(heap, right);
  if (a.is_string() && b.is_string()) {
    const int order = compare_utf16(a.text(), b.text());
    return order < 0 || (or_equal && order == 0);
  }
  const double x = to_number(heap, a), y = to_number(heap, b);
  return or_equal ? x <= y : x < y;
}

bool holds(Compare how, int order) {
  switch (how) {
    case Compare::kEq: return order == 0;
    case Compare::kNotEq: return order != 0;
    case Compare::kGt: return order > 0;
    case Compare::kGtEq: return order >= 0;
    case Compare::kLt: return order < 0;
    case Compare::kLtEq: return order <= 0;
  }
  return false;
}

bool numbers_hold(Compare how, double a, double b) {
  switch (how) {
    case Compare::kEq: return a == b;
    case Compare::kNotEq: return a != b;
    case Compare::kGt: return a > b;
    case Compare::kGtEq: return a >= b;
    case Compare::kLt: return a < b;
    case Compare::kLtEq: return a <= b;
  }
  return false;
}

bool all_finite(Heap& heap, Array& array) {
  for (size_t i = 0; i < array.size; i++) {
    const Value& v = heap.item(array, i);
    if (!v.is_number() || !std::isfinite(v.as_number())) return false;
  }
  return true;
}

int order_of(const Array& a, const Array& b) {
  for (size_t i = 0; i < std::min(a.size, b.size); i++) {
    const double x = a.items[i].as_number(), y = b.items[i].as_number();
    if (x != y) return x < y ? -1 : 1;
  }
  return a.size == b.size ? 0 : a.size < b.size ? -1 : 1;
}

/// Seconds of a date or datetime; NaN-safe through `is`.
bool seconds_of(const Value& v, double& seconds) {
  if (v.is(Kind::kDateTime)) {
    seconds = v.as<DateTime>().seconds;
    return true;
  }
  if (v.is(Kind::kDate)) {
    const auto& date = v.as<Date>();
    seconds = civil_seconds(date.year, date.month, date.day);
    return true;
  }
  return false;
}

/// Dates against dates and against text that reads as one.
bool temporal(const Value& left, const Value& right, double& a, double& b) {
  const bool is_a = seconds_of(left, a), is_b = seconds_of(right, b);
  if (is_a && is_b) return true;
  const auto read = [](const Value& v, double& seconds) {
    if (!v.is_string()) return false;
    const auto parsed = date_text_seconds(v.text());
    if (parsed) seconds = *parsed;
    return parsed.has_value();
  };
  return (is_a && read(right, b)) || (is_b && read(left, a));
}

}  // namespace

bool strictly_equal(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNull:
    case Kind::kUndefined: return true;
    case Kind::kBool: return a.as_bool() == b.as_bool();
    case Kind::kNumber: return a.as_number() == b.as_number();
    case Kind::kRaw: return a.raw_text() == b.raw_text();
    case Kind::kString: return a.cell() == b.cell() || a.text() == b.text();
    default: return a.cell() == b.cell();
  }
}

bool same_value_zero(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number() && std::isnan(a.as_number()) && std::isnan(b.as_number())) {
    return true;
  }
  return strictly_equal(a, b);
}

double to_number(Heap& heap, const Value& v) {
  switch (v.kind()) {
    case Kind::kNull: return 0;
    case Kind::kBool: return v.as_bool() ? 1 : 0;
    case Kind::kNumber: return v.as_number();
    case Kind::kString: return to_number(v.text());
    case Kind::kArray: return to_number(to_js_string(heap, v));
    default: return kNan;
  }
}

namespace {

void append_js_string(Heap& heap, std::string& out, const Value& v, int depth) {
  switch (v.kind()) {
    case Kind::kNull: out += "null"; return;
    case Kind::kUndefined: out += "undefined"; return;
    case Kind::kBool: out += v.as_bool() ? "true" : "false"; return;
    case Kind::kNumber: append_number(out, v.as_number()); return;
    case Kind::kString: out += v.text(); return;
    case Kind::kObject: out += "[object Map]"; return;
    case Kind::kArray: break;
    default: out += "[object Object]"; return;
  }
  auto& array = v.as<Array>();
  if (array.visiting) return;
  if (depth > kDepthMax) throw Failure{"Value is nested too deeply"};
  array.visiting = true;
  for (size_t i = 0; i < array.size; i++) {
    if (i > 0) out += ',';
    const Value item = heap.item(array, i);
    if (!item.is_nothing()) append_js_string(heap, out, item, depth + 1);
  }
  array.visiting = false;
}

}  // namespace

std::string to_js_string(Heap& heap, const Value& v) {
  std::string out;
  append_js_string(heap, out, v, 0);
  return out;
}

bool js_less(Heap& heap, const Value& a, const Value& b) { return ordered(heap, a, b, false); }
bool js_less_equal(Heap& heap, const Value& a, const Value& b) { return ordered(heap, a, b, true); }

Value js_plus(Heap& heap, const Value& left, const Value& right) {
  const Value a = primitive(heap, left), b = primitive(heap, right);
  if (!a.is_string() && !b.is_string()) {
    return Value::number(to_number(heap, a) + to_number(heap, b));
  }
  const std::string x = to_js_string(heap, a), y = to_js_string(heap, b);
  const std::string_view parts[] = {x, y};
  return heap.concat(parts);
}

bool compare(Heap& heap, const Value& left, const Value& right, Compare how) {
  if (left.is_number() && right.is_number()) {
    return numbers_hold(how, left.as_number(), right.as_number());
  }
  if (left.is_string() && right.is_string()) {
    if (how == Compare::kEq) return left.text() == right.text();
    if (how == Compare::kNotEq) return left.text() != right.text();
    return holds(how, compare_utf16(left.text(), right.text()));
  }
  double a = 0, b = 0;
  if (temporal(left, right, a, b)) return numbers_hold(how, a, b);
  const auto either = [&](Kind x, Kind y) {
    return (left.is(x) && right.is(y)) || (left.is(y) && right.is(x));
  };
  if (either(Kind::kNumber, Kind::kString) || either(Kind::kBool, Kind::kNumber)) {
    return numbers_hold(how, to_number(heap, left), to_number(heap, right));
  }
  if (either(Kind::kBool, Kind::kString)) {
    const auto as_bool = [](const Value& v) {
      return v.is_string() ? v.text() == "true" : v.as_bool();
    };
    return numbers_hold(how, as_bool(left) ? 1 : 0, as_bool(right) ? 1 : 0);
  }
  if (left.is(Kind::kArray) && right.is(Kind::kArray) && all_finite(heap, left.as<Array>()) &&
      all_finite(heap, right.as<Array>())) {
    return holds(how, order_of(left.as<Array>(), right.as<Array>()));
  }
  switch (how) {
    case Compare::kEq: return strictly_equal(left, right);
    case Compare::kNotEq: return !strictly_equal(left, right);
    case Compare::kGt: return ordered(heap, right, left, false);
    case Compare::kGtEq: return ordered(heap, right, left, true);
    case Compare::kLt: return ordered(heap, left, right, false);
    case Compare::kLtEq: return ordered(heap, left, right, true);
  }
  return false;
}

std::vector<std::pair<std::string_view, Value>> own_parts(Heap& heap, const Value& v) {
  const Value yes = Value::boolean(true);
  switch (v.kind()) {
    case Kind::kDate: {
      const auto& date = v.as<Date>();
      return {{"__hogDate__", yes},
              {"year", Value::number(date.year)},
              {"month", Value::number(date.month)},
              {"day", Value::number(date.day)}};
    }
    case Kind::kDateTime:
      return {{"__hogDateTime__", yes},
              {"dt", Value::number(v.as<DateTime>().seconds)},
              {"zone", v.as<DateTime>().zone}};
    case Kind::kInterval:
      return {{"__hogInterval__", yes},
              {"value", v.as<Interval>().amount},
              {"unit", v.as<Interval>().unit}};
    case Kind::kError: {
      const auto& error = v.as<ErrorCell>();
      return {{"__hogError__", yes},
              {"type", error.type},
              {"message", error.message},
              {"payload", error.payload}};
    }
    case Kind::kCallable: {
      const auto& callable = v.as<Callable>();
      const char* type = callable.call == CallKind::kLocal ? "local"
                         : callable.call == CallKind::kStl ? "stl"
                                                           : "async";
      return {{"__hogCallable__", heap.borrowed(type)},
              {"name", callable.name},
              {"chunk", callable.chunk},
              {"argCount", Value::number(callable.arguments)},
              {"upvalueCount", Value::number(callable.upvalues)},
              {"ip", Value::number(callable.ip)}};
    }
    case Kind::kClosure: {
      const auto& closure = v.as<Closure>();
      Value ids = heap.array(closure.size);
      for (uint32_t i = 0; i < closure.size; i++) {
        heap.push(ids.as<Array>(), Value::number(closure.upvalues[i]));
      }
      return {{"__hogClosure__", yes}, {"callable", closure.callable}, {"upvalues", ids}};
    }
    default: return {};
  }
}

Value own_part(Heap& heap, const Value& v, std::string_view name) {
  for (auto& [key, part] : own_parts(heap, v)) {
    if (key == name) return part.is_nothing() ? Value() : part;
  }
  return {};
}

Value property(Heap& heap, const Value& object, const Value& key, bool strings) {
  if (object.is(Kind::kObject)) {
    const Value* found = heap.find(object.as<Object>(), key);
    return found == nullptr || found->is_nothing() ? Value() : *found;
  }
  const bool text = object.is_string() && strings;
  if (!text && (!object.is_cell() || object.is_string())) return {};
  if (key.is_number()) {
    const double n = key.as_number();
    if (n == 0) throw Failure{"Hog arrays start from index 1"};
    if (!object.is(Kind::kArray) && !text) return {};
    const double size = text ? object.as<String>().units : object.as<Array>().size;
    const double at = n > 0 ? n - 1 : size + n;
    if (!(at >= 0 && at < size) || at != std::trunc(at)) return {};
    if (!text) {
      const Value& item = heap.item(object.as<Array>(), static_cast<size_t>(at));
      return item.is_nothing() ? Value() : item;
    }
    const std::u16string units = to_utf16(object.text());
    return heap.string(from_utf16(units.substr(static_cast<size_t>(at), 1)));
  }
  const std::string name = key.is_string() ? std::string(key.text()) : to_js_string(heap, key);
  if (text) return name == "length" ? Value::number(size_t{object.as<String>().units}) : Value();
  if (!object.is(Kind::kArray)) return own_part(heap, object, name);
  auto& array = object.as<Array>();
  if (name == "length") return Value::number(size_t{array.size});
  const auto index = array_index(name);
  if (!index || *index >= array.size) return {};
  const Value& item = heap.item(array, *index);
  return item.is_nothing() ? Value() : item;
}

void set_property(Heap& heap, const Value& object, const Value& key, Value value) {
  const std::string name = to_js_string(heap, key);
  if (!object.is_cell() || object.is_string()) {
    throw Failure{"Can not set " + name + " on non-object: " +
                  (object.is_string()       ? "string"
                   : object.is_number()     ? "number"
                   : object.is(Kind::kBool) ? "boolean"
                   : object.is(Kind::kNull) ? "object"
                                            : "undefined")};
  }
  if (object.is(Kind::kObject)) return heap.set(object.as<Object>(), key, std::move(value));
  if (!object.is(Kind::kArray) || !key.is_number()) {
    throw Failure{"Can not set " + name + " on element of type object"};
  }
  const double n = key.as_number();
  if (n <= 0) throw Failure{"Hog arrays start from index 1"};
  if (n != std::trunc(n) || n > 1e9) throw Failure{"Array index " + name + " is out of range"};
  heap.assign(object.as<Array>(), static_cast<size_t>(n) - 1, std::move(value));
}

}  // namespace penstock::hog
