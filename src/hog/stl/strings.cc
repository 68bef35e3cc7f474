// Functions on strings; positions and lengths count UTF-16 units.
#include <algorithm>
#include <cmath>

#include "hog/stl/functions.h"
#include "hog/values/compare.h"
#include "hog/values/text.h"

namespace penstock::hog::stl {
namespace {

/// Units from `from` to before `to`.
Value slice(Heap& heap, const String& text, size_t from, size_t to) {
  to = std::min<size_t>(to, text.units);
  if (from >= to) return heap.borrowed("");
  if (text.ascii()) return heap.string(text.view().substr(from, to - from));
  return heap.string(from_utf16(to_utf16(text.view()).substr(from, to - from)));
}

/// JavaScript's $-patterns in the text that replaces.
void append_replacement(std::string& out, std::string_view with, std::string_view text, size_t at,
                        size_t size) {
  for (size_t i = 0; i < with.size(); i++) {
    if (with[i] != '$' || i + 1 == with.size()) {
      out += with[i];
      continue;
    }
    const char mark = with[i + 1];
    switch (mark) {
      case '$': out += '$'; break;
      case '&': out += text.substr(at, size); break;
      case '`': out += text.substr(0, at); break;
      case '\'': out += text.substr(at + size); break;
      default: out += '$'; continue;
    }
    i++;
  }
}

/// Where the next unit begins, for searches that find nothing everywhere.
size_t next_unit(std::string_view text, size_t at) {
  size_t to = at + 1;
  while (to < text.size() && (static_cast<unsigned char>(text[to]) & 0xc0) == 0x80) to++;
  return to;
}

Value replace(Context& context, Arguments args, std::string_view self, bool all) {
  const std::string_view text = text_argument(args, 0, self);
  const std::string what = to_js_string(context.heap, args[1]);
  const std::string with = to_js_string(context.heap, args[2]);
  const size_t bytes_max = context.limits->heap_bytes;
  std::string out;
  size_t done = 0, from = 0;
  while (from <= text.size()) {
    const size_t at = text.find(what, from);
    if (at == std::string_view::npos) break;
    out += text.substr(done, at - done);
    append_replacement(out, with, text, at, what.size());
    if (out.size() > bytes_max) throw Failure{"Memory limit exceeded by " + std::string(self)};
    done = at + what.size();
    from = what.empty() ? next_unit(text, at) : done;
    if (!all) break;
  }
  if (done < text.size()) out += text.substr(done);
  return context.heap.string(out);
}

Value find(Heap& heap, std::string_view text, std::string_view what) {
  const size_t at = text.find(what);
  static_cast<void>(heap);
  if (at == std::string_view::npos) return Value::number(0.0);
  return Value::number(utf16_units(text.substr(0, at)) + 1);
}

}  // namespace

Value concat(Context& context, Arguments args, std::string_view) {
  std::vector<std::string> made;
  made.reserve(args.size());  // so that views into it stay
  std::vector<std::string_view> parts;
  parts.reserve(args.size());
  for (const Value& value : args) {
    if (value.is_null()) continue;
    if (value.is_string()) {
      parts.push_back(value.text());
      continue;
    }
    if (value.is(Kind::kDate) || value.is(Kind::kDateTime)) {
      made.push_back(date_text(context, value).value_or(""));
    } else {
      made.push_back(print_value(context.heap, value));
    }
    parts.push_back(made.back());
  }
  return context.heap.concat(parts);
}

Value lower(Context& context, Arguments args, std::string_view self) {
  if (args[0].is_nothing()) return {};
  return context.heap.string(to_lower(text_argument(args, 0, self)));
}

Value upper(Context& context, Arguments args, std::string_view self) {
  return context.heap.string(to_upper(text_argument(args, 0, self)));
}

Value reverse(Context& context, Arguments args, std::string_view self) {
  std::u16string units = to_utf16(text_argument(args, 0, self));
  std::reverse(units.begin(), units.end());
  return context.heap.string(from_utf16(units));
}

Value length(Context&, Arguments args, std::string_view) {
  if (args[0].is_string()) return Value::number(size_t{args[0].as<String>().units});
  if (args[0].is(Kind::kArray)) return Value::number(size_t{args[0].as<Array>().size});
  if (args[0].is_nothing()) throw Failure{"Function length needs a value, not null"};
  return Value::undefined();
}

Value substring(Context& context, Arguments args, std::string_view) {
  if (!args[0].is_string()) return context.heap.borrowed("");
  const auto& text = args[0].as<String>();
  const double start = to_number(context.heap, args[1]) - 1;
  const Value given = argument(args, 2);
  const double size = given.is_number() ? given.as_number() : text.units - start;
  if (start < 0 || size < 0 || !(start < text.units)) return context.heap.borrowed("");
  const double end = std::isnan(start + size) ? 0 : start + size;
  return slice(context.heap, text, static_cast<size_t>(start),
               static_cast<size_t>(std::clamp(end, 0.0, static_cast<double>(text.units))));
}

Value trim(Context& context, Arguments args, std::string_view self) {
  const Value given = argument(args, 1);
  const Value what = given.is_nothing() ? context.heap.borrowed(" ") : given;
  if (!what.is_string()) {
    if (what.is(Kind::kArray) && what.as<Array>().size == 1) throw Failure{"trim needs a string"};
    return context.heap.borrowed("");
  }
  if (what.as<String>().units != 1) return context.heap.borrowed("");
  std::string_view text = text_argument(args, 0, self);
  const std::string_view unit = what.text();
  if (self != "trimRight") {
    while (text.starts_with(unit)) text.remove_prefix(unit.size());
  }
  if (self != "trimLeft") {
    while (text.ends_with(unit)) text.remove_suffix(unit.size());
  }
  return context.heap.string(text);
}

Value starts_with(Context&, Arguments args, std::string_view) {
  return Value::boolean(args[0].is_string() && args[1].is_string() &&
                        args[0].text().starts_with(args[1].text()));
}

Value position(Context& context, Arguments args, std::string_view) {
  if (!args[0].is_string()) return Value::number(0.0);
  return find(context.heap, args[0].text(), to_js_string(context.heap, args[1]));
}

Value position_any_case(Context& context, Arguments args, std::string_view) {
  if (!args[0].is_string()) return Value::number(0.0);
  return find(context.heap, to_lower(args[0].text()),
              to_lower(to_js_string(context.heap, args[1])));
}

Value replace_one(Context& context, Arguments args, std::string_view self) {
  return replace(context, args, self, false);
}

Value replace_all(Context& context, Arguments args, std::string_view self) {
  return replace(context, args, self, true);
}

Value split_by_string(Context& context, Arguments args, std::string_view self) {
  Heap& heap = context.heap;
  const std::string_view text = text_argument(args, 1, self);
  const std::string separator = to_js_string(heap, args[0]);
  const Value given = argument(args, 2);
  size_t most = SIZE_MAX;
  if (!given.is_nothing()) {
    const double n = to_number(heap, given);  // as JavaScript's ToUint32
    most = std::isfinite(n)
               ? static_cast<uint32_t>(static_cast<int64_t>(std::fmod(n, 4294967296.0)))
               : 0;
  }
  Value out = heap.array();
  auto& array = out.as<Array>();
  if (separator.empty()) {
    const std::u16string units = to_utf16(text);
    for (size_t i = 0; i < units.size() && array.size < most; i++) {
      heap.push(array, heap.string(from_utf16(std::u16string_view(units).substr(i, 1))));
    }
    return out;
  }
  for (size_t from = 0; array.size < most;) {
    const size_t at = text.find(separator, from);
    heap.push(array, heap.string(text.substr(from, at == std::string_view::npos ? at : at - from)));
    if (at == std::string_view::npos) break;
    from = at + separator.size();
  }
  return out;
}

}  // namespace penstock::hog::stl
