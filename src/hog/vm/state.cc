// A suspended run as JSON, in the shape that PostHog's queue stores.
#include <algorithm>
#include <cmath>

#include "hog/values/json.h"
#include "hog/vm/vm.h"

namespace penstock::hog {
namespace {

constexpr JsonStyle kStateStyle{
    .indent = 0, .functions_as_text = false, .keep_undefined = true, .copy_raw = true};

void append_state(Heap& heap, std::string& out, const Value& value) {
  write_json(heap, out, value, kStateStyle);
}

void field(std::string& out, std::string_view name, uint64_t value) {
  out += ",\"";
  out += name;
  out += "\":" + std::to_string(value);
}

void append_list(std::string& out, std::string_view name) {
  out += ",\"";
  out += name;
  out += "\":[";
}

Value member(Heap& heap, Object& object, std::string_view name) {
  const Value* found = heap.find(object, name);
  return found == nullptr ? Value() : *found;
}

/// A whole number from 0 to `max`, or a Failure.
uint32_t number(Heap& heap, Object& object, std::string_view name, double max) {
  const Value value = member(heap, object, name);
  const double n = value.is_number() ? value.as_number() : std::nan("");
  if (!(n >= 0 && n <= max)) throw Failure{"saved run: " + std::string(name) + " is missing"};
  return static_cast<uint32_t>(n);
}

Object& object_of(const Value& value, const char* what) {
  if (!value.is(Kind::kObject)) throw Failure{std::string("saved run: malformed ") + what};
  return value.as<Object>();
}

Array& list_of(const Value& value, const char* what) {
  if (!value.is(Kind::kArray)) throw Failure{std::string("saved run: malformed ") + what};
  return value.as<Array>();
}

constexpr double kCountMax = 1e9;

}  // namespace

Result<std::string> Machine::Vm::save() {
  if (!suspended_) return penstock::fail(Code::kInvalid, "there is no suspended run to save");
  Heap& heap = context_.heap;
  std::string out = "{\"bytecodes\":{";
  bool first = true;
  for (const Chunk& chunk : chunks_) {
    if (chunk.name.text().starts_with("stl/")) continue;
    if (!std::exchange(first, false)) out += ',';
    append_json_string(out, chunk.name.text());
    out += ":{\"bytecode\":" + chunk.program->to_json() + '}';
  }
  out += '}';
  append_list(out, "stack");
  for (size_t i = 0; i < stack_.size(); i++) {
    if (i > 0) out += ',';
    append_state(heap, out, stack_[i]);
  }
  out += ']';
  append_list(out, "upvalues");
  for (size_t i = 0; i < upvalues_.size(); i++) {
    const Upvalue& one = *upvalues_[i];
    out += i > 0 ? ",{" : "{";
    out += "\"__hogUpValue__\":true";
    field(out, "id", one.id);
    field(out, "location", one.location);
    out += one.closed ? ",\"closed\":true,\"value\":" : ",\"closed\":false,\"value\":";
    append_state(heap, out, one.value);
    out += '}';
  }
  out += ']';
  append_list(out, "callStack");
  for (size_t i = 0; i < frames_.size(); i++) {
    const Frame& frame = frames_[i];
    if (i > 0) out += ',';
    out += "{\"ip\":" + std::to_string(frame.ip) + ",\"chunk\":";
    append_json_string(out, chunks_[frame.chunk].name.text());
    field(out, "stackStart", frame.stack_start);
    field(out, "argCount", frame.arguments);
    out += ",\"closure\":";
    Value closure = frame.closure;
    if (!closure.is(Kind::kClosure)) {
      closure =
          heap.closure(heap.callable(CallKind::kLocal, heap.borrowed(""), chunks_[frame.chunk].name,
                                     static_cast<int32_t>(frame.arguments), 0, 1),
                       {});
    }
    append_state(heap, out, closure);
    out += '}';
  }
  out += ']';
  append_list(out, "throwStack");
  for (size_t i = 0; i < handlers_.size(); i++) {
    out += i > 0 ? ",{" : "{";
    out += "\"callStackLen\":" + std::to_string(handlers_[i].calls);
    field(out, "stackLen", handlers_[i].stack);
    out += ",\"catchIp\":" + std::to_string(handlers_[i].ip) + '}';
  }
  out += "],\"declaredFunctions\":{";
  for (size_t i = 0; i < declared_.size(); i++) {
    if (i > 0) out += ',';
    append_json_string(out, declared_[i].name);
    out +=
        ":[" + std::to_string(declared_[i].ip) + ',' + std::to_string(declared_[i].arguments) + ']';
  }
  out += '}';
  field(out, "ops", ops_);
  field(out, "asyncSteps", async_steps_);
  out += ",\"syncDuration\":" +
         to_js_string(heap, Value::number(static_cast<double>(used_us_) / 1000));
  field(out, "maxMemUsed", memory_max_);
  return out + '}';
}

void Machine::Vm::restore_frames(Object& state) {
  Heap& heap = context_.heap;
  const Value frames = member(heap, state, "callStack");
  for (const Value& item : list_of(frames, "callStack").span()) {
    Object& saved = object_of(item, "callStack");
    Frame frame;
    frame.ip = static_cast<int32_t>(number(heap, saved, "ip", kCountMax));
    const Value chunk = member(heap, saved, "chunk");
    frame.chunk = chunk.is_string() ? chunk_named(chunk) : 0;
    frame.stack_start = number(heap, saved, "stackStart", static_cast<double>(stack_.size()));
    frame.arguments = number(heap, saved, "argCount", kArgumentsMax);
    frame.closure = member(heap, saved, "closure");
    frames_.push_back(std::move(frame));
  }
  if (frames_.empty() || frames_.size() > kCallsMax)
    throw Failure{"saved run: malformed callStack"};
  const Value handlers = member(heap, state, "throwStack");
  for (const Value& item : list_of(handlers, "throwStack").span()) {
    Object& saved = object_of(item, "throwStack");
    handlers_.push_back({number(heap, saved, "callStackLen", static_cast<double>(frames_.size())),
                         number(heap, saved, "stackLen", static_cast<double>(stack_.size())),
                         static_cast<int32_t>(number(heap, saved, "catchIp", kCountMax))});
  }
  const Value declared = member(heap, state, "declaredFunctions");
  if (!declared.is(Kind::kObject)) return;
  auto& functions = declared.as<Object>();
  for (size_t i = 0; i < heap.size(functions); i++) {
    const Array& pair = list_of(heap.value_at(functions, i), "declaredFunctions");
    if (pair.size != 2) throw Failure{"saved run: malformed declaredFunctions"};
    const double ip = to_number(heap, pair.items[0]), count = to_number(heap, pair.items[1]);
    if (!(ip >= 0 && ip <= kCountMax && count >= 0 && count <= kArgumentsMax)) {
      throw Failure{"saved run: malformed declaredFunctions"};
    }
    declared_.push_back({std::string(heap.key_at(functions, i).text()), static_cast<int32_t>(ip),
                         static_cast<uint32_t>(count)});
  }
}

void Machine::Vm::restore_upvalues(Object& state) {
  Heap& heap = context_.heap;
  const Value upvalues = member(heap, state, "upvalues");
  for (const Value& item : list_of(upvalues, "upvalues").span()) {
    Object& saved = object_of(item, "upvalues");
    auto one = std::make_unique<Upvalue>();
    one->id = number(heap, saved, "id", kCountMax);
    one->location = number(heap, saved, "location", kCountMax);
    one->closed = truthy(member(heap, saved, "closed"));
    one->value = member(heap, saved, "value");
    if (!upvalues_.empty() && upvalues_.back()->location > one->location) {
      throw Failure{"saved run: upvalues are not in order"};
    }
    upvalues_.push_back(std::move(one));
  }
}

void Machine::Vm::restore_parts(Object& state) {
  Heap& heap = context_.heap;
  Value programs = member(heap, state, "bytecodes");
  if (const Value old = member(heap, state, "bytecode"); old.is(Kind::kArray)) {
    programs = heap.object();
    Value root = heap.object();
    heap.set(root.as<Object>(), "bytecode", old);
    heap.set(programs.as<Object>(), "root", root);
  }
  Object& chunks = object_of(programs, "bytecodes");
  for (size_t i = 0; i < heap.size(chunks); i++) {
    const Value name = heap.key_at(chunks, i);
    Object& entry = object_of(heap.value_at(chunks, i), "bytecodes");
    auto program = Program::from_json(to_json(heap, member(heap, entry, "bytecode")));
    if (!program) throw Failure{"saved run: " + program.error().message};
    const bool root = name.text() == "root";
    const Chunk chunk{name, std::move(*program), root};
    chunks_.insert(root ? chunks_.begin() : chunks_.end(), chunk);
  }
  if (chunks_.empty() || !chunks_[0].has_globals) throw Failure{"saved run: there is no root"};
  version_ = chunks_[0].program->version();
  const Value stack = member(heap, state, "stack");
  for (const Value& value : list_of(stack, "stack").span()) push(value);
  restore_upvalues(state);
  restore_frames(state);
  ops_ = number(heap, state, "ops", 4e9);
  async_steps_ = number(heap, state, "asyncSteps", kCountMax);
  used_us_ = static_cast<int64_t>(number(heap, state, "syncDuration", kCountMax)) * 1000;
  memory_max_ = std::max<uint64_t>(memory_, number(heap, state, "maxMemUsed", 4e9));
}

Status Machine::Vm::restore(std::string_view saved) {
  clear();
  limits_ = Limits{};
  context_.heap.set_limit(limits_.heap_bytes);
  struct NoHost : Host {
    int64_t now_ms() override { return 0; }
    int64_t clock_us() override { return 0; }
    double random() override { return 0; }
  } nobody;
  host_ = &nobody;
  try {
    const Value state = parse_json(context_.heap, saved, Revive::kAll);
    restore_parts(object_of(state, "state"));
  } catch (const Failure& failure) {
    clear();
    return penstock::fail(Code::kInvalid, failure.message);
  }
  suspended_ = true;
  return {};
}

}  // namespace penstock::hog
