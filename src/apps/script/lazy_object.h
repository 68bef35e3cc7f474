// Lazy objects: JSON objects that a script sees as ordinary ones, and that stay text until touched.
//
// What costs most about handing events to scripts is turning them into objects and back. A lazy
// object knows where its members' values lie in the event's text; a value is made when a script
// asks for it, and what nobody changed is written back as the bytes it was. Keys are compared
// unescaped; of a key that is there twice the first place and the last value count, as in
// JSON.parse. Members that are more than a plain value (accessors, read-only, symbols) become
// ordinary properties of the same object. Thread: the runtime's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "apps/script/js.h"
#include "apps/script/patch.h"
#include "base/result.h"

namespace penstock::apps {

/// An event's text, kept while any object of it lives; counted for the memory limit.
struct LazyText {
  LazyText(std::string_view content, size_t& in_use, size_t in_use_max);
  ~LazyText();
  LazyText(const LazyText&) = delete;
  LazyText& operator=(const LazyText&) = delete;

  std::string text;
  size_t& total;  // of all texts of a runtime, and of what its lazy objects hold beside values
  size_t max;     // of these: objects that would need more throw
};

/// Once per runtime, before the first context's object is made.
void register_lazy_objects(JSRuntime* runtime);
/// Once per context: members' prototype is the context's Object.prototype.
void prepare_lazy_objects(JSContext* context);

/// Before the context is freed.
void forget_lazy_objects(JSContext* context);

/// An object over `text`, which must be one valid JSON object; an exception otherwise.
Js make_lazy(JSContext* context, std::shared_ptr<const LazyText> text);

/// Appends the value as JSON.stringify would, untouched parts as the bytes they were. False: it
/// threw, is too deep, or is nothing that JSON has (a function, undefined): nothing is appended.
bool append_json(JSContext* context, JSValue value, std::string& out);

/// The same of an event, whose text was `before`. False: `out` is as it was.
bool write_event(JSContext* context, JSValue value, std::string_view before, NewText& out);
/// Of an event that is untouched: NewText::properties_end.
size_t end_of_properties(JSValue value);

/// The text of a member that no script ever asked for; empty for all others.
std::string_view untouched_member(JSValue value, std::string_view key);

/// The text that an object of `make_lazy` is over.
std::string_view text_of_lazy(JSValue value);

/// Whether an object that `make_lazy` answered would be written back byte by byte.
bool is_untouched(JSContext* context, JSValue value);

}  // namespace penstock::apps
