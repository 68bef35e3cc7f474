// What an app answered for an event: whether that is an event, still of its project, and its text.
#include <charconv>

#include "apps/script/vm.h"

namespace penstock::apps {

void Vm::event_answer(Call& call, const Js& value, VmAnswer& answer) {
  const int truthy = JS_ToBool(context_, value.get());
  if (truthy == 0) return;
  const auto refuse = [&](const std::string& message) {
    answer = threw(call, {.name = "Error", .message = message});
  };
  if (!JS_IsObject(value.get()) || JS_IsArray(context_, value.get()) == 1 ||
      JS_IsFunction(context_, value.get()) != 0) {
    return refuse("processEvent answered something that is not an event");
  }
  bool restored = false;
  if (!restore_project(call, value, restored)) {
    JS_FreeValue(context_, JS_GetException(context_));
    return refuse("what processEvent answered cannot be read");
  }
  if (!restored && is_untouched(context_, value.get()) &&
      JS_VALUE_GET_PTR(value.get()) == JS_VALUE_GET_PTR(call.event.get())) {
    answer.kind = VmAnswer::Kind::kValue;
    answer.event.properties_end = end_of_properties(value.get());
    return;
  }
  if (!write_event(context_, value.get(), text_of_lazy(call.event.get()), answer.event)) {
    return refuse("what processEvent answered cannot be written as JSON");
  }
  if (answer.event.size() > limits_.event_bytes) {
    return refuse("the event became larger than " + std::to_string(limits_.event_bytes) + " bytes");
  }
  answer.changed = true;
  answer.kind = VmAnswer::Kind::kValue;
  if (!restored) return;
  answer.kind = VmAnswer::Kind::kThrew;
  answer.error = {.name = "IllegalOperationError", .message = "the app changed team_id"};
}

/// An app has no say in whose event it is. False: it threw.
bool Vm::restore_project(const Call& call, const Js& value, bool& restored) {
  const std::string_view text = untouched_member(value.get(), "team_id");
  int64_t stays = 0;
  const char* end = text.data() + text.size();
  if (const auto [at, error] = std::from_chars(text.data(), end, stays);
      error == std::errc() && at == end && stays == call.project) {
    return true;
  }
  const Js team = value.property("team_id");
  if (team.is_exception()) return false;
  double id = 0;
  if (JS_IsNumber(team.get()) && JS_ToFloat64(context_, &id, team.get()) == 0 &&
      id == static_cast<double>(call.project)) {
    return true;
  }
  const bool absent = team.is_undefined() && call.event.property("team_id").is_undefined();
  if (absent) return true;
  restored = true;
  return JS_SetPropertyStr(context_, value.get(), "team_id", JS_NewInt64(context_, call.project)) >=
         0;
}

}  // namespace penstock::apps
