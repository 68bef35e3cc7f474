// Equality, order and conversions between kinds, as JavaScript and the TypeScript VM do them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "hog/value.h"

namespace penstock::hog {

/// ===
bool strictly_equal(const Value& a, const Value& b);
/// What Map keys and Array.includes go by: like === but NaN equals NaN.
bool same_value_zero(const Value& a, const Value& b);
/// Number(value)
double to_number(Heap& heap, const Value& value);
/// String(value)
std::string to_js_string(Heap& heap, const Value& value);
/// a < b and a <= b of JavaScript, without the VM's conversions.
bool js_less(Heap& heap, const Value& a, const Value& b);
bool js_less_equal(Heap& heap, const Value& a, const Value& b);
Value js_plus(Heap& heap, const Value& a, const Value& b);

enum class Compare : uint8_t { kEq, kNotEq, kGt, kGtEq, kLt, kLtEq };
/// The VM's comparison operations, with their conversions.
bool compare(Heap& heap, const Value& left, const Value& right, Compare how);

/// One step of a path: `object[key]`, null when there is none. `strings`: also into strings, as
/// paths of globals and JSON functions do beyond their first step. Throws for index 0.
Value property(Heap& heap, const Value& object, const Value& key, bool strings);
void set_property(Heap& heap, const Value& object, const Value& key, Value value);
/// The named parts of a date, error, interval, function; null for others and other names.
Value own_part(Heap& heap, const Value& value, std::string_view name);
/// The same as a list, in order; empty for others.
std::vector<std::pair<std::string_view, Value>> own_parts(Heap& heap, const Value& value);

}  // namespace penstock::hog
