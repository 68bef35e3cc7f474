// Values of the script engine with an owner: the one place that counts references.
//
// A Js holds one reference and gives it back. Everything here belongs to the thread of its runtime
// and must be gone before the runtime is freed.
#pragma once

#include <quickjs.h>

#include <string>
#include <string_view>
#include <utility>

namespace penstock::apps {

// The engine's own macros are C that C++ warns about where they are used.
inline const JSValue kUndefined = JS_UNDEFINED;
inline const JSValue kNull = JS_NULL;
inline const JSValue kException = JS_EXCEPTION;
inline const JSValue kTrue = JS_TRUE;
inline const JSValue kFalse = JS_FALSE;

class Js {
 public:
  Js() = default;
  /// Takes the reference over.
  Js(JSContext* context, JSValue value) : context_(context), value_(value) {}
  Js(Js&& other) noexcept
      : context_(other.context_), value_(std::exchange(other.value_, kUndefined)) {}
  Js& operator=(Js&& other) noexcept {
    if (this != &other) {
      free();
      context_ = other.context_;
      value_ = std::exchange(other.value_, kUndefined);
    }
    return *this;
  }
  ~Js() { free(); }

  JSValue get() const { return value_; }
  JSValue release() { return std::exchange(value_, kUndefined); }
  JSValue dup() const { return JS_DupValue(context_, value_); }
  bool is_exception() const { return JS_IsException(value_); }
  bool is_undefined() const { return JS_IsUndefined(value_); }
  Js property(const char* name) const {
    return {context_, JS_GetPropertyStr(context_, value_, name)};
  }

 private:
  void free() {
    if (context_ != nullptr) JS_FreeValue(context_, value_);
    value_ = kUndefined;
  }

  JSContext* context_ = nullptr;
  JSValue value_ = kUndefined;
};

/// The value as text, as String() makes it; empty where that throws.
inline std::string text_of(JSContext* context, JSValue value) {
  size_t size = 0;
  const char* text = JS_ToCStringLen(context, &size, value);
  if (text == nullptr) {
    JS_FreeValue(context, JS_GetException(context));
    return {};
  }
  std::string out(text, size);
  JS_FreeCString(context, text);
  return out;
}

inline Js new_text(JSContext* context, std::string_view text) {
  return {context, JS_NewStringLen(context, text.data(), text.size())};
}

/// `text` is JSON; an exception where it is not, or where memory is short.
inline Js parse_json(JSContext* context, std::string_view text) {
  const std::string ended(text);  // the engine reads a zero behind it
  return {context, JS_ParseJSON(context, ended.c_str(), ended.size(), "<json>")};
}

}  // namespace penstock::apps
