// Values as `toString` and `print` show them: like the source that would make them.
#include <array>

#include "hog/stl/dates.h"
#include "hog/value.h"
#include "hog/values/compare.h"
#include "hog/values/number.h"
#include "hog/values/print.h"
#include "hog/values/text.h"

namespace penstock::hog {
namespace {

const char* escape_of(char c) {
  switch (c) {
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\r': return "\\r";
    case '\n': return "\\n";
    case '\t': return "\\t";
    case '\0': return "\\0";
    case '\v': return "\\v";
    case '\\': return "\\\\";
    default: return nullptr;
  }
}

class Printer {
 public:
  Printer(Heap& heap, std::string& out) : heap_(heap), out_(out) {}

  void value(const Value& v, int depth) {
    switch (v.kind()) {
      case Kind::kNull:
      case Kind::kUndefined: out_ += "null"; return;
      case Kind::kBool: out_ += v.as_bool() ? "true" : "false"; return;
      case Kind::kNumber: append_number(out_, v.as_number()); return;
      case Kind::kString: append_quoted(out_, v.text()); return;
      case Kind::kRaw: value(heap_.from_raw(v.raw_text()), depth); return;
      case Kind::kDateTime: date_time(v.as<DateTime>()); return;
      case Kind::kDate: date(v.as<Date>()); return;
      case Kind::kClosure: value(v.as<Closure>().callable, depth); return;
      case Kind::kCallable: callable(v.as<Callable>()); return;
      default: break;
    }
    if (v.cell()->visiting || depth > kDepthMax) {
      out_ += "null";
      return;
    }
    v.cell()->visiting = true;
    switch (v.kind()) {
      case Kind::kArray: array(v.as<Array>(), depth); break;
      case Kind::kObject: object(v, depth); break;
      case Kind::kError: error(v.as<ErrorCell>(), depth); break;
      default: interval(v, depth); break;
    }
    v.cell()->visiting = false;
  }

 private:
  void array(Array& array, int depth) {
    out_ += !array.tuple ? "[" : array.size < 2 ? "tuple(" : "(";
    for (size_t i = 0; i < array.size; i++) {
      if (i > 0) out_ += ", ";
      const Value item = heap_.item(array, i);
      value(item, depth + 1);
    }
    out_ += array.tuple ? ")" : "]";
  }
  void object(const Value& v, int depth) {
    auto& object = v.as<Object>();
    if (const Value* ast = heap_.find(object, "__hx_ast"); ast != nullptr && truthy(*ast)) {
      out_ += "sql(";
      append_sql(heap_, out_, v, depth);
      out_ += ')';
      return;
    }
    out_ += '{';
    const size_t size = heap_.size(object);
    for (size_t i = 0; i < size; i++) {
      if (i > 0) out_ += ", ";
      const Value key = heap_.key_at(object, i), part = heap_.value_at(object, i);
      value(key, depth + 1);
      out_ += ": ";
      value(part, depth + 1);
    }
    out_ += '}';
  }
  void interval(const Value& v, int depth) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, part] : own_parts(heap_, v)) {
      if (!std::exchange(first, false)) out_ += ", ";
      append_quoted(out_, key);
      out_ += ": ";
      value(part, depth + 1);
    }
    out_ += '}';
  }
  void error(const ErrorCell& error, int depth) {
    if (!error.message.is_string()) throw Failure{"An error's message must be a string"};
    out_ += to_js_string(heap_, error.type);
    out_ += '(';
    append_quoted(out_, error.message.text());
    if (truthy(error.payload)) {
      out_ += ", ";
      value(error.payload, depth + 1);
    }
    out_ += ')';
  }
  void date_time(const DateTime& v) {
    const std::string seconds = number_text(v.seconds);
    out_ += "DateTime(" + seconds + (seconds.find('.') == std::string::npos ? ".0, " : ", ");
    append_quoted(out_, v.zone.text());
    out_ += ')';
  }
  void date(const Date& v) {
    out_ += "Date(" + number_text(v.year) + ", " + number_text(v.month) + ", " +
            number_text(v.day) + ")";
  }
  void callable(const Callable& v) {
    out_ += "fn<";
    append_identifier(out_, v.name.text());
    out_ += "(" + std::to_string(v.arguments) + ")>";
  }

  Heap& heap_;
  std::string& out_;
};

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  out += '\'';
  for (const char c : text) {
    if (const char* escape = escape_of(c)) {
      out += escape;
    } else if (c == '\'') {
      out += "\\'";
    } else {
      out += c;
    }
  }
  out += '\'';
}

bool is_plain_identifier(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
  };
  if (name.empty() || !letter(name[0])) return false;
  for (const char c : name) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

void append_identifier(std::string& out, std::string_view name) {
  if (is_plain_identifier(name)) {
    out += name;
    return;
  }
  out += '`';
  for (const char c : name) {
    if (const char* escape = escape_of(c)) {
      out += escape;
    } else if (c == '`') {
      out += "``";
    } else {
      out += c;
    }
  }
  out += '`';
}

void append_value(Heap& heap, std::string& out, const Value& value, int depth) {
  Printer(heap, out).value(value, depth);
}

std::string print_value(Heap& heap, const Value& value) {
  if (value.is_string()) return std::string(value.text());
  std::string out;
  append_value(heap, out, value, 0);
  return out;
}

}  // namespace penstock::hog
