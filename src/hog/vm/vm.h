// Machine::Vm: the state of a run and its loop. Private to the room.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hog/machine.h"
#include "hog/stl/context.h"
#include "hog/values/compare.h"

namespace penstock::hog {

inline constexpr size_t kArgumentsMax = 300, kCallsMax = 1000, kStackMax = 1'000'000;

struct Chunk {
  Value name;
  std::shared_ptr<const Program> program;
  bool has_globals = false;
};

struct Frame {
  int32_t ip = 0;
  uint32_t chunk = 0;  // of Vm::chunks_
  uint32_t stack_start = 0;
  uint32_t arguments = 0;
  Value closure;
};

struct Handler {
  uint32_t calls = 0, stack = 0;
  int32_t ip = 0;
};

struct Upvalue {
  uint32_t id = 0, location = 0;
  bool closed = false;
  Value value;
};

struct DeclaredFunction {
  std::string name;
  int32_t ip = 0;
  uint32_t arguments = 0;
};

class Machine::Vm {
 public:
  Vm();
  ~Vm() { clear(); }

  const Outcome& run(const std::shared_ptr<const Program>& program, Globals& globals, Host& host,
                     const Limits& limits);
  const Outcome& resume(Value result, Globals& globals, Host& host, const Limits& limits);
  Result<std::string> save();
  Status restore(std::string_view state);
  Heap& heap() { return context_.heap; }

 private:
  enum class Next : uint8_t { kGoOn, kJumped, kDone };

  void clear();
  void begin(Globals& globals, Host& host, const Limits& limits);
  const Outcome& go();
  void loop();
  Next step(Op op);
  Next arithmetic(Op op);
  Next comparison(Op op);
  Next matching(Op op);
  Next stack_step(Op op);
  Next jump_step(Op op);
  Next function_step(Op op);
  bool fall_off_the_end();

  // the stack
  Value pop();
  void push(Value value);
  void push_costed(Value value, uint64_t cost);
  void keep(size_t count);
  std::vector<Value> take_arguments(size_t count, bool by_value);
  Value& local(int32_t index);

  // bytecode
  const Value& next();
  int32_t next_number();
  std::string_view next_name();
  void enter(Frame frame);
  void use_frame();
  uint32_t chunk_named(const Value& name);
  uint32_t library_chunk(std::string_view function);
  Next give_back(Value result);

  // calls
  Next call_global();
  Next call_local();
  Next call_library(int32_t function, size_t count);
  Next suspend(std::string_view name, size_t count, bool by_value);
  Next throw_value();
  void make_closure();
  Upvalue& capture(uint32_t location);
  Upvalue& upvalue(uint32_t index);
  Value get_global(size_t count);
  Value fresh(const Value& value);
  Value function_named(std::string_view name);
  Globals* globals_of_chunk() { return chunks_[frame_->chunk].has_globals ? globals_ : nullptr; }
  bool global(std::string_view name, Value& value);
  void check_time();
  [[noreturn]] static void fail(std::string message) { throw Failure{std::move(message)}; }

  // state.cc
  void restore_parts(Object& state);
  void restore_frames(Object& state);
  void restore_upvalues(Object& state);

  Context context_;
  Outcome outcome_;
  Globals* globals_ = nullptr;
  Host* host_ = nullptr;
  Limits limits_;

  std::vector<Value> stack_;
  std::vector<uint64_t> costs_;
  std::vector<Frame> frames_;
  std::vector<Handler> handlers_;
  std::vector<std::unique_ptr<Upvalue>> upvalues_;  // by location
  std::vector<DeclaredFunction> declared_;
  std::vector<Chunk> chunks_;                         // 0 is the root
  std::vector<std::pair<std::string, Value>> roots_;  // globals that were asked for

  Frame* frame_ = nullptr;
  const Value* code_ = nullptr;
  int32_t code_size_ = 0;
  int32_t ip_ = 0;
  int version_ = 0;  // the root's

  uint64_t memory_ = 0, memory_max_ = 0, ops_ = 0;
  int64_t started_us_ = 0, used_us_ = 0;
  uint32_t async_steps_ = 0;
  bool suspended_ = false;
};

}  // namespace penstock::hog
