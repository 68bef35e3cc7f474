#include "hog/values/json.h"

#include <charconv>
#include <cmath>

#include "event/json_scan.h"
#include "hog/values/compare.h"
#include "hog/values/number.h"
#include "hog/values/text.h"

namespace penstock::hog {
namespace {

constexpr const char* kMalformed = "JSON text is malformed";

uint32_t hex4(std::string_view text) {
  uint32_t out = 0;
  std::from_chars(text.data(), text.data() + 4, out, 16);
  return out;
}

Value read_scalar(Heap& heap, std::string_view raw) {
  switch (raw.empty() ? '\0' : raw[0]) {
    case '"': return read_json_string(heap, raw);
    case 't': return Value::boolean(true);
    case 'f': return Value::boolean(false);
    case 'n': return {};
    default: return Value::number(to_number(raw));
  }
}

double number_of(Heap& heap, Object& object, std::string_view name) {
  const Value* found = heap.find(object, name);
  return found == nullptr ? std::nan("") : to_number(heap, *found);
}

Value part_of(Heap& heap, Object& object, std::string_view name) {
  const Value* found = heap.find(object, name);
  return found == nullptr ? Value() : *found;
}

Value text_of(Heap& heap, Object& object, std::string_view name, std::string_view otherwise) {
  const Value* found = heap.find(object, name);
  return found != nullptr && found->is_string() ? *found : heap.string(otherwise);
}

bool marked(Heap& heap, Object& object, std::string_view name) {
  const Value* found = heap.find(object, name);
  return found != nullptr && truthy(*found);
}

Value revive_callable(Heap& heap, Object& object) {
  const std::string type(text_of(heap, object, "__hogCallable__", "local").text());
  const auto number = [&](std::string_view name) {
    const double n = number_of(heap, object, name);
    return n >= -1 && n < 1e9 ? static_cast<int32_t>(n) : 0;
  };
  const CallKind call = type == "stl"     ? CallKind::kStl
                        : type == "async" ? CallKind::kAsync
                                          : CallKind::kLocal;
  return heap.callable(call, text_of(heap, object, "name", ""),
                       text_of(heap, object, "chunk", "root"), number("argCount"),
                       number("upvalueCount"), number("ip"));
}

Value revive_closure(Heap& heap, Object& object) {
  std::vector<uint32_t> ids;
  const Value list = part_of(heap, object, "upvalues");
  if (list.is(Kind::kArray)) {
    for (const Value& id : list.as<Array>().span()) {
      const double n = to_number(heap, id);
      ids.push_back(n > 0 && n < 1e9 ? static_cast<uint32_t>(n) : 0);
    }
  }
  Value callable = part_of(heap, object, "callable");
  if (!callable.is(Kind::kCallable)) throw Failure{"A closure without its function"};
  return heap.closure(std::move(callable), ids);
}

Value revived(Heap& heap, Value value, Revive revive) {
  auto& object = value.as<Object>();
  if (revive == Revive::kNothing || heap.size(object) == 0) return value;
  if (marked(heap, object, "__hogDateTime__")) {
    return heap.date_time(number_of(heap, object, "dt"),
                          text_of(heap, object, "zone", "UTC").text());
  }
  if (marked(heap, object, "__hogDate__")) {
    return heap.date(number_of(heap, object, "year"), number_of(heap, object, "month"),
                     number_of(heap, object, "day"));
  }
  if (revive == Revive::kDates) return value;
  if (marked(heap, object, "__hogError__")) {
    return heap.error(part_of(heap, object, "type"), part_of(heap, object, "message"),
                      part_of(heap, object, "payload"));
  }
  if (revive != Revive::kAll) return value;
  if (marked(heap, object, "__hogCallable__")) return revive_callable(heap, object);
  if (marked(heap, object, "__hogClosure__")) return revive_closure(heap, object);
  if (marked(heap, object, "__hogInterval__")) {
    return heap.interval(part_of(heap, object, "value"),
                         text_of(heap, object, "unit", "day").text());
  }
  return value;
}

/// The scanner stops before depth becomes a danger to this recursion.
Value read_value(Heap& heap, event::JsonScanner& scan, Revive revive, size_t depth) {
  if (depth > event::kJsonDepthMax) throw Failure{"JSON text is nested too deeply"};
  if (scan.accept('[')) {
    Value out = heap.array();
    if (scan.accept(']')) return out;
    do {
      heap.push(out.as<Array>(), read_value(heap, scan, revive, depth + 1));
    } while (scan.accept(','));
    if (!scan.accept(']')) throw Failure{kMalformed};
    return out;
  }
  if (scan.accept('{')) {
    Value out = heap.object();
    if (scan.accept('}')) return out;
    do {
      std::string_view key;
      bool escaped = false;
      if (!scan.string(key, escaped) || !scan.accept(':')) throw Failure{kMalformed};
      Value name = read_json_string(heap, key);
      heap.set(out.as<Object>(), std::move(name), read_value(heap, scan, revive, depth + 1));
    } while (scan.accept(','));
    if (!scan.accept('}')) throw Failure{kMalformed};
    if (!Heap::is_json_object(out.as<Object>())) out = heap.as_json_object(out.as<Object>());
    return revived(heap, std::move(out), revive);
  }
  std::string_view raw;
  if (!scan.value(raw)) throw Failure{kMalformed};
  return read_scalar(heap, raw);
}

class Writer {
 public:
  Writer(Heap& heap, std::string& out, const JsonStyle& style)
      : heap_(heap), out_(out), style_(style) {}

  bool value(const Value& v, int depth) {
    switch (v.kind()) {
      case Kind::kUndefined:
        if (!style_.keep_undefined) return false;
        out_ += "null";
        return true;
      case Kind::kNull: out_ += "null"; return true;
      case Kind::kBool: out_ += v.as_bool() ? "true" : "false"; return true;
      case Kind::kNumber: number(v.as_number()); return true;
      case Kind::kRaw: out_ += v.raw_text(); return true;
      case Kind::kString: append_json_string(out_, v.text()); return true;
      default: break;
    }
    if (v.cell()->visiting || depth > kDepthMax) {
      out_ += "null";
      return true;
    }
    if (!v.cell()->visiting && (v.is(Kind::kArray) || v.is(Kind::kObject))) {
      v.cell()->visiting = true;
      v.is(Kind::kArray) ? array(v.as<Array>(), depth) : object(v.as<Object>(), depth);
      v.cell()->visiting = false;
      return true;
    }
    if (style_.functions_as_text && (v.is(Kind::kCallable) || v.is(Kind::kClosure))) {
      append_json_string(out_, print_value(heap_, v));
      return true;
    }
    parts(v, depth);
    return true;
  }

 private:
  void number(double n) {
    if (std::isfinite(n)) return append_number(out_, n);
    out_ += "null";
  }
  void line(int depth) {
    if (style_.indent <= 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(style_.indent) * static_cast<size_t>(depth), ' ');
  }
  void array(Array& array, int depth) {
    out_ += '[';
    for (size_t i = 0; i < array.size; i++) {
      if (i > 0) out_ += ',';
      line(depth + 1);
      const Value& item = style_.copy_raw ? array.items[i] : heap_.item(array, i);
      if (!value(item, depth + 1)) out_ += "null";
    }
    if (array.size > 0) line(depth);
    out_ += ']';
  }
  void object(Object& given, int depth) {
    if (style_.copy_raw && given.raw != nullptr && !given.seen) {
      out_.append(given.raw, given.raw_size);
      return;
    }
    heap_.size(given);
    if (!Heap::is_json_object(given)) {
      const Value ordered = heap_.as_json_object(given);
      return members(ordered.as<Object>(), depth);
    }
    members(given, depth);
  }
  void members(Object& object, int depth) {
    out_ += '{';
    bool any = false;
    for (size_t i = 0; i < object.size; i++) {
      const Entry& entry = object.entries[i];
      const Value& v = style_.copy_raw ? entry.value : heap_.value_at(object, i);
      if (style_.copy_raw && entry.key.is(Kind::kRaw)) {
        name(any, depth, [&] { out_.append("\"").append(entry.key.raw_text()).append("\""); });
      } else if (!(v.is(Kind::kUndefined) && !style_.keep_undefined)) {
        const Value key = heap_.key_at(object, i);
        name(any, depth, [&] { append_json_string(out_, key.text()); });
      } else {
        continue;
      }
      if (!value(v, depth + 1)) out_ += "null";
    }
    if (any) line(depth);
    out_ += '}';
  }
  void parts(const Value& v, int depth) {
    v.cell()->visiting = true;
    out_ += '{';
    bool any = false;
    for (const auto& [key, part] : own_parts(heap_, v)) {
      if (part.is(Kind::kUndefined)) continue;
      name(any, depth, [&, text = key] { append_json_string(out_, text); });
      value(part, depth + 1);
    }
    if (any) line(depth);
    out_ += '}';
    v.cell()->visiting = false;
  }
  template <typename Write>
  void name(bool& any, int depth, Write write) {
    if (any) out_ += ',';
    any = true;
    line(depth + 1);
    write();
    out_ += style_.indent > 0 ? ": " : ":";
  }

  Heap& heap_;
  std::string& out_;
  const JsonStyle& style_;
};

}  // namespace

Value read_json_string(Heap& heap, std::string_view quoted) {
  const std::string_view body = quoted.substr(1, quoted.size() - 2);
  if (body.find('\\') == std::string_view::npos) return heap.string(body);
  std::string out;
  out.reserve(body.size());
  uint32_t high = 0;  // a surrogate that waits for its other half
  const auto settle = [&] {
    if (high != 0) append_utf8(out, std::exchange(high, 0U));
  };
  for (size_t i = 0; i < body.size(); i++) {
    if (body[i] != '\\') {
      settle();
      out += body[i];
      continue;
    }
    const char mark = body[++i];
    if (mark == 'u') {
      const uint32_t unit = hex4(body.substr(i + 1));
      i += 4;
      if (high != 0 && unit >= 0xdc00 && unit < 0xe000) {
        append_utf8(out, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
        high = 0;
        continue;
      }
      settle();
      if (unit >= 0xd800 && unit < 0xdc00) {
        high = unit;
      } else {
        append_utf8(out, unit);
      }
      continue;
    }
    settle();
    out += mark == 'n'   ? '\n'
           : mark == 't' ? '\t'
           : mark == 'r' ? '\r'
           : mark == 'b' ? '\b'
           : mark == 'f' ? '\f'
                         : mark;
  }
  settle();
  return heap.string(out);
}

Value parse_json(Heap& heap, std::string_view text, Revive revive) {
  event::JsonScanner scan(text);
  Value out = read_value(heap, scan, revive, 0);
  if (!scan.at_end()) throw Failure{kMalformed};
  return out;
}

bool is_json(std::string_view text) {
  event::JsonScanner scan(text);
  std::string_view raw;
  return scan.value(raw) && scan.at_end();
}

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      switch (c) {
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        default:
          out += "\\u00";
          out += kHex[byte >> 4];
          out += kHex[byte & 15];
      }
    } else if (byte == 0xed && i + 2 < text.size() &&
               static_cast<unsigned char>(text[i + 1]) >= 0xa0) {
      const unsigned unit = 0xd000U | (static_cast<unsigned char>(text[i + 1]) & 0x3fU) << 6 |
                            (static_cast<unsigned char>(text[i + 2]) & 0x3fU);
      out += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) out += kHex[unit >> shift & 15];
      i += 2;
    } else {
      out += c;
    }
  }
  out += '"';
}

bool write_json(Heap& heap, std::string& out, const Value& value, const JsonStyle& style) {
  return Writer(heap, out, style).value(value, 0);
}

Value Heap::from_raw(std::string_view json) {
  event::JsonScanner scan(json);
  const char first = scan.peek();
  if (first == '{') {
    if (json.find("\"__hogDate") == 1) return parse_json(*this, json, Revive::kDates);
    Value out = object();
    auto& lazy = out.as<Object>();
    lazy.raw = json.data();
    lazy.raw_size = static_cast<uint32_t>(json.size());
    return out;
  }
  if (first == '[') {
    scan.accept('[');
    Value out = array();
    if (scan.accept(']')) return out;
    do {
      std::string_view raw;
      if (!scan.value(raw)) throw Failure{kMalformed};
      push(out.as<Array>(), Value::raw(raw));
    } while (scan.accept(','));
    if (!scan.accept(']')) throw Failure{kMalformed};
    return out;
  }
  if (first == '"' && json.find('\\') == std::string_view::npos) {
    return borrowed(json.substr(1, json.size() - 2));
  }
  return read_scalar(*this, json);
}

std::string to_json(Heap& heap, const Value& value, int indent) {
  std::string out;
  JsonStyle style;
  style.indent = indent;
  style.copy_raw = indent == 0;
  if (!write_json(heap, out, value, style)) out = "null";
  return out;
}

void append_json(Heap& heap, std::string& out, const Value& value) {
  JsonStyle style;
  style.copy_raw = true;
  if (!write_json(heap, out, value, style)) out += "null";
}

Value from_json(Heap& heap, std::string_view json) {
  return parse_json(heap, json, Revive::kDates);
}

}  // namespace penstock::hog
