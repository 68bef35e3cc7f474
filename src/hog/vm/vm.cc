#include "hog/vm/vm.h"

#include <cmath>

namespace penstock::hog {

Machine::Machine() : vm_(std::make_unique<Vm>()) {}
Machine::~Machine() = default;
const Outcome& Machine::run(const std::shared_ptr<const Program>& program, Globals& globals,
                            Host& host, const Limits& limits) {
  return vm_->run(program, globals, host, limits);
}
const Outcome& Machine::resume(Value result, Globals& globals, Host& host, const Limits& limits) {
  return vm_->resume(std::move(result), globals, host, limits);
}
Result<std::string> Machine::save() { return vm_->save(); }
Status Machine::restore(std::string_view state) { return vm_->restore(state); }
Heap& Machine::heap() { return vm_->heap(); }

Machine::Vm::Vm() = default;

void Machine::Vm::clear() {
  outcome_ = Outcome{};
  stack_.clear();
  costs_.clear();
  frames_.clear();
  handlers_.clear();
  upvalues_.clear();
  declared_.clear();
  roots_.clear();
  // The name of a module may be a constant of the program that imported it: names go first.
  for (Chunk& chunk : chunks_) chunk.name = Value();
  chunks_.clear();
  context_.heap.reset();
  frame_ = nullptr;
  memory_ = memory_max_ = ops_ = 0;
  used_us_ = 0;
  async_steps_ = 0;
  suspended_ = false;
}

void Machine::Vm::begin(Globals& globals, Host& host, const Limits& limits) {
  globals_ = &globals;
  host_ = &host;
  limits_ = limits;
  context_.host = &host;
  context_.outcome = &outcome_;
  context_.limits = &limits_;
  context_.heap.set_limit(limits.heap_bytes);
  started_us_ = -1;
}

const Outcome& Machine::Vm::run(const std::shared_ptr<const Program>& program, Globals& globals,
                                Host& host, const Limits& limits) {
  clear();
  begin(globals, host, limits);
  chunks_.push_back({context_.heap.borrowed("root"), program, true});
  version_ = program->version();
  Frame frame;
  frame.ip = static_cast<int32_t>(program->begin());
  frames_.push_back(std::move(frame));
  return go();
}

const Outcome& Machine::Vm::resume(Value result, Globals& globals, Host& host,
                                   const Limits& limits) {
  if (!suspended_) {
    outcome_.state = Outcome::State::kFailed;
    outcome_.error = "There is no suspended run";
    return outcome_;
  }
  suspended_ = false;
  roots_.clear();
  begin(globals, host, limits);
  std::vector<std::string> printed = std::move(outcome_.printed);
  outcome_ = Outcome{};
  outcome_.printed = std::move(printed);
  try {
    push(std::move(result));
  } catch (const Failure& failure) {
    outcome_.error = failure.message;
    return outcome_;
  }
  return go();
}

const Outcome& Machine::Vm::go() {
  started_us_ = host_->clock_us();
  try {
    use_frame();
    loop();
  } catch (const Failure& failure) {
    outcome_.state = Outcome::State::kFailed;
    if (outcome_.error.empty()) outcome_.error = failure.message;
    if (frame_ != nullptr && ip_ >= 0) {
      outcome_.error_place = chunks_[frame_->chunk].program->place(static_cast<size_t>(ip_));
    }
  }
  used_us_ += host_->clock_us() - started_us_;
  outcome_.ops = ops_;
  outcome_.time_us = used_us_;
  outcome_.memory_bytes_max = memory_max_;
  outcome_.heap_bytes_max = context_.heap.peak_bytes();
  outcome_.async_steps = async_steps_;
  return outcome_;
}

void Machine::Vm::check_time() {
  if (used_us_ + host_->clock_us() - started_us_ <= limits_.time_us) return;
  std::string seconds =
      to_js_string(context_.heap, Value::number(static_cast<double>(limits_.time_us) / 1e6));
  fail("Execution timed out after " + seconds + " seconds. Performed " + std::to_string(ops_) +
       " ops.");
}

Value Machine::Vm::pop() {
  if (stack_.empty()) fail("Invalid HogQL bytecode, stack is empty, can not pop");
  Value out = std::move(stack_.back());
  stack_.pop_back();
  memory_ -= costs_.back();
  costs_.pop_back();
  return out;
}

void Machine::Vm::push(Value value) {
  const uint64_t cost = value.is_string() ? 8 + value.as<String>().units : cost_of(value);
  push_costed(std::move(value), cost);
}

void Machine::Vm::push_costed(Value value, uint64_t cost) {
  memory_ += cost;
  if (memory_ > memory_max_) memory_max_ = memory_;
  if (memory_ > limits_.memory_bytes && limits_.memory_bytes > 0) {
    fail("Memory limit of " + std::to_string(limits_.memory_bytes) +
         " bytes exceeded. Tried to allocate " + std::to_string(memory_) + " bytes.");
  }
  if (stack_.size() >= kStackMax) fail("The stack holds too many values");
  stack_.push_back(std::move(value));
  costs_.push_back(cost);
}

/// Cuts the stack; what closures captured of it lives on in their upvalues.
void Machine::Vm::keep(size_t count) {
  if (count > stack_.size()) fail("Stack underflow");
  for (auto it = upvalues_.rbegin(); it != upvalues_.rend(); ++it) {
    Upvalue& upvalue = **it;
    if (upvalue.location < count) break;
    if (!upvalue.closed && upvalue.location < stack_.size()) {
      upvalue.closed = true;
      upvalue.value = stack_[upvalue.location];
    }
  }
  for (size_t i = count; i < costs_.size(); i++) memory_ -= costs_[i];
  costs_.resize(count);
  stack_.resize(count);
}

/// The arguments of a call, first to last.
std::vector<Value> Machine::Vm::take_arguments(size_t count, bool by_value) {
  std::vector<Value> out(count);
  if (version_ == 0) {
    for (size_t i = 0; i < count; i++) out[i] = pop();
    return out;
  }
  const size_t first = stack_.size() - count;
  for (size_t i = 0; i < count; i++) out[i] = stack_[first + i];
  if (by_value) {
    for (size_t i = 0; i < count; i++) pop();
  } else {
    keep(first);
  }
  return out;
}

Value& Machine::Vm::local(int32_t index) {
  const int64_t at = int64_t{frame_->stack_start} + index;
  if (at < 0 || at >= static_cast<int64_t>(stack_.size())) {
    fail("Invalid bytecode: there is no local variable " + std::to_string(index));
  }
  return stack_[static_cast<size_t>(at)];
}

const Value& Machine::Vm::next() {
  if (ip_ >= code_size_ - 1) fail("Unexpected end of bytecode");
  return code_[++ip_];
}

int32_t Machine::Vm::next_number() {
  const Value& operand = next();
  const double n = operand.is_number() ? operand.as_number() : NAN;
  if (!(n >= -1e9 && n <= 1e9) || n != std::trunc(n)) fail("Invalid operand in bytecode");
  return static_cast<int32_t>(n);
}

std::string_view Machine::Vm::next_name() {
  const Value& operand = next();
  if (!operand.is_string()) fail("Invalid operand in bytecode: a name was expected");
  return operand.text();
}

void Machine::Vm::use_frame() {
  frame_ = &frames_.back();
  const Program& program = *chunks_[frame_->chunk].program;
  code_ = program.code().data();
  code_size_ = static_cast<int32_t>(program.code().size());
  ip_ = frame_->ip;
}

void Machine::Vm::enter(Frame frame) {
  frame_->ip = ip_ + 1;  // where it goes on after the call
  frames_.push_back(std::move(frame));
  if (frames_.size() > kCallsMax) {
    fail("Call stack exceeded maximum length of " + std::to_string(kCallsMax));
  }
  use_frame();
}

uint32_t Machine::Vm::chunk_named(const Value& name) {
  for (size_t i = 0; i < chunks_.size(); i++) {
    if (chunks_[i].name.text() == name.text()) return static_cast<uint32_t>(i);
  }
  if (name.text().starts_with("stl/")) {
    const std::string_view function = name.text().substr(4);
    const int32_t index = library_index(function);
    if (index >= 0 && library()[static_cast<size_t>(index)].how == LibraryFunction::How::kHog) {
      return library_chunk(function);
    }
  }
  auto program = host_->module(name.text());
  if (program == nullptr) fail("Unknown chunk: " + std::string(name.text()));
  chunks_.push_back({name, std::move(program), false});
  return static_cast<uint32_t>(chunks_.size() - 1);
}

uint32_t Machine::Vm::library_chunk(std::string_view function) {
  const std::string name = "stl/" + std::string(function);
  for (size_t i = 0; i < chunks_.size(); i++) {
    if (chunks_[i].name.text() == name) return static_cast<uint32_t>(i);
  }
  chunks_.push_back({context_.heap.string(name), library_program(function), false});
  return static_cast<uint32_t>(chunks_.size() - 1);
}

/// Leaves a call: what it put on the stack goes, and so do its handlers.
Machine::Vm::Next Machine::Vm::give_back(Value result) {
  const uint32_t stack_start = frames_.back().stack_start;
  frames_.pop_back();
  while (!handlers_.empty() && handlers_.back().calls > frames_.size()) handlers_.pop_back();
  if (frames_.empty()) {
    frame_ = nullptr;
    outcome_.state = Outcome::State::kFinished;
    outcome_.result = std::move(result);
    return Next::kDone;
  }
  keep(stack_start);
  push(std::move(result));
  use_frame();
  return Next::kJumped;
}

/// True: the whole program is over.
bool Machine::Vm::fall_off_the_end() {
  if (frames_.size() > 1) return give_back(Value()) == Next::kDone;
  outcome_.state = Outcome::State::kFinished;
  if (!stack_.empty()) outcome_.result = pop();
  frames_.clear();
  frame_ = nullptr;
  return true;
}

void Machine::Vm::loop() {
  constexpr uint64_t kOpsPerTimeCheck = 32;
  for (;;) {
    if (ip_ >= code_size_) {
      if (fall_off_the_end()) return;
      continue;
    }
    if (ip_ < 0) fail("Invalid bytecode: a jump before the beginning");
    if ((++ops_ & (kOpsPerTimeCheck - 1)) == 0) check_time();
    const Value& slot = code_[ip_];
    const int32_t op = slot.is_number() ? slot.note() : -1;
    Next what = Next::kGoOn;
    switch (op) {
      case static_cast<int>(Op::kString):
      case static_cast<int>(Op::kInteger):
      case static_cast<int>(Op::kFloat): push(next()); break;
      case static_cast<int>(Op::kTrue): push_costed(Value::boolean(true), 8); break;
      case static_cast<int>(Op::kFalse): push_costed(Value::boolean(false), 8); break;
      case static_cast<int>(Op::kNull): push_costed(Value(), 8); break;
      case static_cast<int>(Op::kPop): pop(); break;
      case static_cast<int>(Op::kGetLocal): push(local(next_number())); break;
      default:
        if (slot.is_null()) break;
        if (op < static_cast<int>(Op::kGetGlobal) || op > static_cast<int>(Op::kCloseUpvalue)) {
          fail("Unexpected node while running bytecode in chunk \"" +
               std::string(chunks_[frame_->chunk].name.text()) +
               "\": " + to_js_string(context_.heap, slot));
        }
        what = step(static_cast<Op>(op));
    }
    if (what == Next::kDone) return;
    if (what == Next::kGoOn) ip_++;
  }
}

Machine::Vm::Next Machine::Vm::step(Op op) {
  switch (op) {
    case Op::kGetGlobal:
    case Op::kDict:
    case Op::kArray:
    case Op::kTuple:
    case Op::kSetLocal:
    case Op::kGetProperty:
    case Op::kGetPropertyNullish:
    case Op::kSetProperty: return stack_step(op);
    case Op::kPlus:
    case Op::kMinus:
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kMod:
    case Op::kAnd:
    case Op::kOr:
    case Op::kNot: return arithmetic(op);
    case Op::kEq:
    case Op::kNotEq:
    case Op::kGt:
    case Op::kGtEq:
    case Op::kLt:
    case Op::kLtEq: return comparison(op);
    case Op::kJump:
    case Op::kJumpIfFalse:
    case Op::kJumpIfStackNotNull: return jump_step(op);
    case Op::kCallGlobal: return call_global();
    case Op::kCallLocal: return call_local();
    case Op::kReturn: return give_back(pop());
    case Op::kDeclareFn:
    case Op::kTry:
    case Op::kPopTry:
    case Op::kThrow:
    case Op::kCallable:
    case Op::kClosure:
    case Op::kGetUpvalue:
    case Op::kSetUpvalue:
    case Op::kCloseUpvalue: return function_step(op);
    default: return matching(op);
  }
}

}  // namespace penstock::hog
