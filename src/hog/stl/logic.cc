// Conversions, conditions, numbers, errors, print.
#include <cmath>

#include "hog/stl/dates.h"
#include "hog/stl/functions.h"
#include "hog/values/compare.h"
#include "hog/values/number.h"

namespace penstock::hog::stl {
namespace {

/// Days since 1970 of a date; JavaScript's NaN for one that is none.
double days_of(const Date& date) {
  return std::floor(civil_seconds(date.year, date.month, date.day) / 86400);
}

Value boolean(bool b) { return Value::boolean(b); }

}  // namespace

Value to_string(Context& context, Arguments args, std::string_view) {
  if (args[0].is_string()) return args[0];
  if (args[0].is(Kind::kDate) || args[0].is(Kind::kDateTime)) {
    const auto text = date_text(context, args[0]);
    return text ? context.heap.string(*text) : Value();
  }
  return context.heap.string(print_value(context.heap, args[0]));
}

Value to_int(Context& context, Arguments args, std::string_view) {
  if (args[0].is(Kind::kDateTime)) return Value::number(std::floor(args[0].as<DateTime>().seconds));
  if (args[0].is(Kind::kDate)) return Value::number(days_of(args[0].as<Date>()));
  const double n = parse_int(to_js_string(context.heap, args[0]));
  return std::isnan(n) ? Value() : Value::number(n);
}

Value to_float(Context& context, Arguments args, std::string_view) {
  if (args[0].is(Kind::kDateTime)) return Value::number(args[0].as<DateTime>().seconds);
  if (args[0].is(Kind::kDate)) return Value::number(days_of(args[0].as<Date>()));
  if (args[0].is_number()) return std::isnan(args[0].as_number()) ? Value() : args[0];
  const double n = parse_float(to_js_string(context.heap, args[0]));
  return std::isnan(n) ? Value() : Value::number(n);
}

Value type_of(Context& context, Arguments args, std::string_view) {
  Heap& heap = context.heap;
  const Value& v = args[0];
  switch (v.kind()) {
    case Kind::kNull:
    case Kind::kUndefined: return heap.borrowed("null");
    case Kind::kBool: return heap.borrowed("boolean");
    case Kind::kNumber: {
      const double n = v.as_number();
      return heap.borrowed(std::isfinite(n) && n == std::trunc(n) ? "integer" : "float");
    }
    case Kind::kString: return heap.borrowed("string");
    case Kind::kArray: return heap.borrowed(v.cell()->tuple ? "tuple" : "array");
    case Kind::kDate: return heap.borrowed("date");
    case Kind::kDateTime: return heap.borrowed("datetime");
    case Kind::kError: return heap.borrowed("error");
    case Kind::kCallable:
    case Kind::kClosure: return heap.borrowed("function");
    case Kind::kObject: {
      const Value* ast = heap.find(v.as<Object>(), "__hx_ast");
      return heap.borrowed(ast != nullptr && truthy(*ast) ? "sql" : "object");
    }
    default: return heap.borrowed("object");
  }
}

Value if_null(Context&, Arguments args, std::string_view) {
  return args[0].is_null() ? args[1] : args[0];
}
Value is_null(Context&, Arguments args, std::string_view) { return boolean(args[0].is_nothing()); }
Value is_not_null(Context&, Arguments args, std::string_view) {
  return boolean(!args[0].is_nothing());
}

Value coalesce(Context&, Arguments args, std::string_view) {
  for (const Value& v : args) {
    if (!v.is_nothing()) return v;
  }
  return {};
}

Value assume_not_null(Context&, Arguments args, std::string_view) {
  if (args[0].is_nothing()) throw Failure{"Value is null in assumeNotNull"};
  return args[0];
}

Value choose(Context&, Arguments args, std::string_view) {
  return truthy(args[0]) ? args[1] : args[2];
}

Value multi_if(Context&, Arguments args, std::string_view) {
  const Arguments pairs = args.first(args.size() - 1);
  for (size_t i = 0; i < pairs.size(); i += 2) {
    if (truthy(pairs[i])) return argument(pairs, i + 1);
  }
  return args.back();
}

Value all_of(Context&, Arguments args, std::string_view) {
  bool all = true;
  for (const Value& v : args) all = all && truthy(v);
  return boolean(all);
}

Value any_of(Context&, Arguments args, std::string_view) {
  bool any = false;
  for (const Value& v : args) any = any || truthy(v);
  return boolean(any);
}

Value negate(Context&, Arguments args, std::string_view) { return boolean(!truthy(args[0])); }
Value equals(Context&, Arguments args, std::string_view) {
  return boolean(strictly_equal(args[0], args[1]));
}
Value not_equals(Context&, Arguments args, std::string_view) {
  return boolean(!strictly_equal(args[0], args[1]));
}
Value less(Context& context, Arguments args, std::string_view) {
  return boolean(js_less(context.heap, args[0], args[1]));
}
Value less_or_equals(Context& context, Arguments args, std::string_view) {
  return boolean(js_less_equal(context.heap, args[0], args[1]));
}
Value greater(Context& context, Arguments args, std::string_view) {
  return boolean(js_less(context.heap, args[1], args[0]));
}
Value greater_or_equals(Context& context, Arguments args, std::string_view) {
  return boolean(js_less_equal(context.heap, args[1], args[0]));
}

Value contained_in(Context& context, Arguments args, std::string_view) {
  if (!args[1].is(Kind::kArray)) return boolean(false);
  auto& array = args[1].as<Array>();
  for (size_t i = 0; i < array.size; i++) {
    if (same_value_zero(context.heap.item(array, i), args[0])) return boolean(true);
  }
  return boolean(false);
}

Value empty(Context& context, Arguments args, std::string_view) {
  const Value& v = args[0];
  switch (v.kind()) {
    case Kind::kNull:
    case Kind::kUndefined: return boolean(true);
    case Kind::kString: return boolean(v.as<String>().size == 0);
    case Kind::kArray: return boolean(v.as<Array>().size == 0);
    case Kind::kObject: return boolean(context.heap.size(v.as<Object>()) == 0);
    default: return boolean(false);
  }
}

Value not_empty(Context& context, Arguments args, std::string_view self) {
  return boolean(!empty(context, args, self).is_true());
}

Value plus(Context& context, Arguments args, std::string_view) {
  return js_plus(context.heap, args[0], args[1]);
}
Value minus(Context& context, Arguments args, std::string_view) {
  return Value::number(to_number(context.heap, args[0]) - to_number(context.heap, args[1]));
}
Value floor(Context& context, Arguments args, std::string_view) {
  return Value::number(std::floor(to_number(context.heap, args[0])));
}

/// Half goes up, as in JavaScript.
Value round(Context& context, Arguments args, std::string_view) {
  const double n = to_number(context.heap, args[0]), below = std::floor(n);
  return Value::number(n - below >= 0.5 ? below + 1 : below);
}

Value min2(Context& context, Arguments args, std::string_view) {
  return js_less(context.heap, args[0], args[1]) ? args[0] : args[1];
}

Value random_float(Context& context, Arguments, std::string_view) {
  return Value::number(context.host->random());
}

Value make_error(Context& context, Arguments args, std::string_view self) {
  return context.heap.error(context.heap.borrowed(self), argument(args, 0), argument(args, 1));
}

Value make_hog_error(Context& context, Arguments args, std::string_view) {
  return context.heap.error(args[0], argument(args, 1), argument(args, 2));
}

/// Lines go to the host with the outcome, so many and no more.
Value print(Context& context, Arguments args, std::string_view) {
  std::string line;
  for (const Value& v : args) {
    if (&v != args.data()) line += ' ';
    line += print_value(context.heap, v);
  }
  Outcome& outcome = *context.outcome;
  size_t bytes = line.size();
  for (const std::string& printed : outcome.printed) bytes += printed.size();
  if (outcome.printed.size() >= context.limits->printed_lines ||
      bytes > context.limits->printed_bytes) {
    outcome.printed_lost++;
  } else {
    outcome.printed.push_back(std::move(line));
  }
  return Value::undefined();
}

}  // namespace penstock::hog::stl
