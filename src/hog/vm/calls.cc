// Calls, closures and exceptions.
#include <algorithm>

#include "hog/vm/vm.h"

namespace penstock::hog {
namespace {

size_t counted(int32_t count, size_t on_stack) {
  if (count < 0 || static_cast<size_t>(count) > on_stack) {
    throw Failure{"Not enough arguments on the stack"};
  }
  if (static_cast<size_t>(count) > kArgumentsMax) throw Failure{"Too many arguments"};
  return static_cast<size_t>(count);
}

void check_arity(const LibraryFunction& function, size_t count) {
  if (static_cast<int64_t>(count) < function.arguments_min) {
    throw Failure{"Function " + std::string(function.name) + " requires at least " +
                  std::to_string(function.arguments_min) + " arguments"};
  }
  if (function.arguments_max >= 0 && static_cast<int64_t>(count) > function.arguments_max) {
    throw Failure{"Function " + std::string(function.name) + " requires at most " +
                  std::to_string(function.arguments_max) + " arguments"};
  }
}

}  // namespace

Machine::Vm::Next Machine::Vm::call_global() {
  check_time();
  const Value& operand = next();
  if (!operand.is_string()) fail("Invalid operand in bytecode: a name was expected");
  const std::string_view name = operand.text();
  const int32_t given = next_number();
  for (const DeclaredFunction& function : declared_) {
    if (function.name != name) continue;
    const size_t count = counted(given, stack_.size());
    if (count > function.arguments) {
      fail("Too many arguments. Passed " + std::to_string(count) + ", expected " +
           std::to_string(function.arguments));
    }
    for (size_t i = count; i < function.arguments; i++) push(Value());
    Frame frame;
    frame.ip = function.ip;
    frame.chunk = frame_->chunk;
    frame.arguments = function.arguments;
    frame.stack_start = static_cast<uint32_t>(stack_.size() - function.arguments);
    enter(std::move(frame));
    return Next::kJumped;
  }
  const size_t count = counted(given, stack_.size());
  if (name == "import") {
    const std::vector<Value> arguments = take_arguments(count, false);
    if (count != 1 || !arguments[0].is_string())
      fail("Function import requires exactly 1 argument");
    Frame frame;
    frame.chunk = chunk_named(arguments[0]);
    frame.ip = static_cast<int32_t>(chunks_[frame.chunk].program->begin());
    frame.stack_start = static_cast<uint32_t>(stack_.size());
    enter(std::move(frame));
    return Next::kJumped;
  }
  const Host::Has has = host_->has(name);
  if (has == Host::Has::kFunction) {
    const std::vector<Value> arguments = take_arguments(count, false);
    Result<Value> result = host_->call(context_.heap, name, arguments);
    if (!result) fail(result.error().message);
    push(std::move(*result));
    return Next::kGoOn;
  }
  const bool async = has == Host::Has::kAsyncFunction;
  if ((async && name != "toString") || name == "sleep") return suspend(name, count, false);
  const int32_t cached = operand.as<String>().stl;
  return call_library(cached >= 0 ? cached : library_index(name), count);
}

Machine::Vm::Next Machine::Vm::call_library(int32_t index, size_t count) {
  if (index < 0) {
    fail("Unsupported function call: " + std::string(code_[ip_ - 1].text()));
  }
  const LibraryFunction& function = library()[static_cast<size_t>(index)];
  if (function.how == LibraryFunction::How::kHog) {
    if (static_cast<int64_t>(count) != function.arguments_min) {
      fail("Function " + std::string(function.name) + " requires exactly " +
           std::to_string(function.arguments_min) + " arguments");
    }
    Frame frame;
    frame.chunk = library_chunk(function.name);
    frame.ip = static_cast<int32_t>(chunks_[frame.chunk].program->begin());
    frame.stack_start = static_cast<uint32_t>(stack_.size() - count);
    frame.arguments = static_cast<uint32_t>(count);
    enter(std::move(frame));
    return Next::kJumped;
  }
  check_arity(function, count);
  Value result;
  if (version_ == 0) {
    const std::vector<Value> arguments = take_arguments(count, false);
    result = function.call(context_, arguments, function.name);
  } else {
    // The arguments stay where they are until the function is done with them.
    const Arguments arguments(stack_.data() + (stack_.size() - count), count);
    result = function.call(context_, arguments, function.name);
    keep(stack_.size() - count);
  }
  push(std::move(result));
  return Next::kGoOn;
}

Machine::Vm::Next Machine::Vm::suspend(std::string_view name, size_t count, bool by_value) {
  if (async_steps_ >= limits_.async_steps) {
    fail("Exceeded maximum number of async steps: " + std::to_string(limits_.async_steps));
  }
  outcome_.async_arguments = take_arguments(count, by_value);
  outcome_.async_function = name;
  outcome_.state = Outcome::State::kSuspended;
  frame_->ip = ip_ + 1;
  async_steps_++;
  suspended_ = true;
  return Next::kDone;
}

Value Machine::Vm::function_named(std::string_view name) {
  Heap& heap = context_.heap;
  const bool async = host_->has(name) == Host::Has::kAsyncFunction;
  const int32_t index = library_index(name);
  if (async || name == "sleep") {
    return heap.closure(heap.callable(CallKind::kAsync, heap.string(name), heap.borrowed("async"),
                                      async ? 0 : 1, 0, -1),
                        {});
  }
  if (index < 0) return {};
  const LibraryFunction& function = library()[static_cast<size_t>(index)];
  const bool native = function.how == LibraryFunction::How::kNative;
  const int32_t arguments = std::max(0, native ? function.arguments_max : function.arguments_min);
  Value chunk = native ? heap.borrowed("stl") : heap.string("stl/" + std::string(name));
  return heap.closure(heap.callable(CallKind::kStl, heap.borrowed(function.name), std::move(chunk),
                                    arguments, 0, native ? -1 : 0),
                      {});
}

Machine::Vm::Next Machine::Vm::call_local() {
  check_time();
  Value closure = pop();
  if (!closure.is(Kind::kClosure)) {
    fail("Invalid closure: " + to_json(context_.heap, closure));
  }
  const size_t count = counted(next_number(), stack_.size());
  auto& callable = closure.as<Closure>().callable.as<Callable>();
  if (callable.call == CallKind::kAsync) return suspend(callable.name.text(), count, true);
  if (callable.call == CallKind::kLocal) {
    const auto expected = static_cast<size_t>(std::max(0, callable.arguments));
    if (count > expected) {
      fail("Too many arguments. Passed " + std::to_string(count) + ", expected " +
           std::to_string(expected));
    }
    for (size_t i = count; i < expected; i++) push(Value());
    Frame frame;
    frame.ip = callable.ip;
    frame.chunk = chunk_named(callable.chunk);
    frame.stack_start = static_cast<uint32_t>(stack_.size() - expected);
    frame.arguments = static_cast<uint32_t>(expected);
    frame.closure = std::move(closure);
    enter(std::move(frame));
    return Next::kJumped;
  }
  const int32_t index = library_index(callable.name.text());
  if (index < 0) fail("Unsupported function call: " + std::string(callable.name.text()));
  const LibraryFunction& function = library()[static_cast<size_t>(index)];
  if (function.how != LibraryFunction::How::kNative) return call_library(index, count);
  check_arity(function, count);
  std::vector<Value> arguments = take_arguments(count, true);
  if (function.arguments_max >= 0) {
    arguments.resize(static_cast<size_t>(function.arguments_max));  // with null
  }
  push(function.call(context_, arguments, function.name));
  return Next::kGoOn;
}

/// Upvalues are found by where they were captured, closed ones too: a loop's second round shares
/// those of the first, as in PostHog's machines (docs/compat/hog.md).
Upvalue& Machine::Vm::capture(uint32_t location) {
  for (auto it = upvalues_.rbegin(); it != upvalues_.rend(); ++it) {
    if ((*it)->location < location) break;
    if ((*it)->location == location) return **it;
  }
  auto upvalue = std::make_unique<Upvalue>();
  upvalue->id = static_cast<uint32_t>(upvalues_.size() + 1);
  upvalue->location = location;
  Upvalue& out = *upvalue;
  const auto behind = std::upper_bound(
      upvalues_.begin(), upvalues_.end(), location,
      [](uint32_t at, const std::unique_ptr<Upvalue>& other) { return at < other->location; });
  upvalues_.insert(behind, std::move(upvalue));
  return out;
}

Upvalue& Machine::Vm::upvalue(uint32_t index) {
  if (frame_->closure.is(Kind::kClosure)) {
    const auto& closure = frame_->closure.as<Closure>();
    if (index < closure.size) {
      for (const auto& one : upvalues_) {
        if (one->id == closure.upvalues[index]) return *one;
      }
    }
  }
  fail("Invalid upvalue index: " + std::to_string(index));
}

void Machine::Vm::make_closure() {
  const Value callable = pop();
  if (!callable.is(Kind::kCallable)) fail("Invalid callable: " + to_json(context_.heap, callable));
  const int32_t count = next_number();
  if (count != callable.as<Callable>().upvalues) {
    fail("Invalid upvalue count. Expected " + std::to_string(callable.as<Callable>().upvalues) +
         ", got " + std::to_string(count));
  }
  std::vector<uint32_t> ids;
  for (int32_t i = 0; i < count; i++) {
    const bool is_local = truthy(next());
    const int32_t index = next_number();
    if (index < 0) fail("Invalid upvalue index: " + std::to_string(index));
    if (is_local) {
      // A function that calls itself captures the slot it is about to be put into.
      ids.push_back(capture(frame_->stack_start + static_cast<uint32_t>(index)).id);
    } else {
      ids.push_back(upvalue(static_cast<uint32_t>(index)).id);
    }
  }
  push(context_.heap.closure(callable, ids));
}

Machine::Vm::Next Machine::Vm::throw_value() {
  const Value error = pop();
  if (!error.is(Kind::kError)) fail("Can not throw: value is not of type Error");
  if (handlers_.empty()) {
    const auto& cell = error.as<ErrorCell>();
    outcome_.error_type = to_js_string(context_.heap, cell.type);
    outcome_.error_message = to_js_string(context_.heap, cell.message);
    outcome_.error_payload = cell.payload;
    std::string text = outcome_.error_type + "('";
    for (const char c : outcome_.error_message) text += c == '\'' ? "\\'" : std::string(1, c);
    fail(text + "')");
  }
  const Handler handler = handlers_.back();
  handlers_.pop_back();
  keep(handler.stack);
  if (handler.calls == 0 || handler.calls > frames_.size()) fail("Invalid exception handler");
  frames_.resize(handler.calls);
  push(error);
  use_frame();
  ip_ = handler.ip;
  return Next::kJumped;
}

Machine::Vm::Next Machine::Vm::function_step(Op op) {
  switch (op) {
    case Op::kThrow: return throw_value();
    case Op::kClosure: make_closure(); break;
    case Op::kTry: {
      const int32_t offset = next_number();
      if (handlers_.size() >= kStackMax) fail("Too many exception handlers");
      handlers_.push_back({static_cast<uint32_t>(frames_.size()),
                           static_cast<uint32_t>(stack_.size()), ip_ + offset});
      break;
    }
    case Op::kPopTry:
      if (handlers_.empty()) fail("Invalid operation POP_TRY: no try block to pop");
      handlers_.pop_back();
      break;
    case Op::kGetUpvalue: {
      Upvalue& one = upvalue(static_cast<uint32_t>(next_number()));
      if (!one.closed && one.location >= stack_.size()) fail("Invalid upvalue location");
      push(one.closed ? one.value : stack_[one.location]);
      break;
    }
    case Op::kSetUpvalue: {
      Upvalue& one = upvalue(static_cast<uint32_t>(next_number()));
      Value value = pop();
      if (one.closed) {
        one.value = std::move(value);
      } else {
        if (one.location >= stack_.size()) fail("Invalid upvalue location");
        stack_[one.location] = std::move(value);
      }
      break;
    }
    case Op::kCloseUpvalue:
      if (stack_.empty()) fail("Stack underflow");
      keep(stack_.size() - 1);
      break;
    case Op::kDeclareFn: {
      DeclaredFunction function;
      function.name = next_name();
      function.arguments = static_cast<uint32_t>(std::max(0, next_number()));
      const int32_t length = next_number();
      function.ip = ip_ + 1;
      std::erase_if(declared_, [&](const auto& old) { return old.name == function.name; });
      declared_.push_back(std::move(function));
      ip_ += length;
      break;
    }
    default: {  // kCallable
      const Value& name = next();
      if (!name.is_string()) fail("Invalid operand in bytecode: a name was expected");
      const int32_t arguments = next_number(), upvalues = next_number(), length = next_number();
      push(context_.heap.callable(CallKind::kLocal, name, chunks_[frame_->chunk].name, arguments,
                                  upvalues, ip_ + 1));
      ip_ += length;
    }
  }
  return Next::kGoOn;
}

}  // namespace penstock::hog
