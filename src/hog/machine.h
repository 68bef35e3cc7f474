// Machine: runs Programs, one after the other, on one thread.
//
// Keep one per thread: it reuses its memory and what it learned about regular expressions and time
// zones. A run ends finished, failed, or suspended in an asynchronous function; everything it
// answers (values, texts) is valid until the machine's next run. A program can never hurt its host:
// time, memory, calls, output and nesting are bounded, and a failure is an Outcome, never an
// exception. The machine knows no clock, no network and no files: the Host gives what a program may
// have.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hog/program.h"
#include "hog/value.h"

namespace penstock::hog {

/// Bounds of one run, resumptions included. Defaults are PostHog's.
struct Limits {
  int64_t time_us = 5'000'000;
  uint64_t memory_bytes =
      64U << 20;                   // as programs see it: 8 per value and the strings on the stack
  size_t heap_bytes = 256U << 20;  // of real memory, whatever refers to it
  uint32_t async_steps = 100;
  size_t printed_lines = 1000;  // further ones are counted, not kept
  size_t printed_bytes = 64U << 10;
};

/// What programs may have from outside. Called on the machine's thread, never after the run.
class Host {
 public:
  virtual ~Host() = default;
  /// Unix milliseconds: now() and today().
  virtual int64_t now_ms() = 0;
  /// A clock that never goes back, in microseconds: the time limit.
  virtual int64_t clock_us() = 0;
  /// Uniform in [0, 1).
  virtual double random() = 0;

  enum class Has : uint8_t { kNothing, kFunction, kAsyncFunction };
  /// Whether the host has a function of this name; it goes before the library's.
  virtual Has has(std::string_view name) {
    static_cast<void>(name);
    return Has::kNothing;
  }
  /// Calls a kFunction. An Error ends the run with its message.
  virtual Result<Value> call(Heap& heap, std::string_view name, std::span<const Value> arguments) {
    static_cast<void>(heap);
    static_cast<void>(name);
    static_cast<void>(arguments);
    return Value();
  }
  /// The program behind import('name'); nullptr: there is none.
  virtual std::shared_ptr<const Program> module(std::string_view name) {
    static_cast<void>(name);
    return nullptr;
  }
};

/// A program's global variables, asked for when they are first used.
class Globals {
 public:
  virtual ~Globals() = default;
  /// False: there is none of that name. Value::raw(json) hands text over that costs nothing until
  /// the program looks at it.
  virtual bool find(Heap& heap, std::string_view name, Value& value) = 0;
};

/// Globals that are texts: one JSON object with all of them, or one text per name. Views must
/// outlive the run.
class JsonGlobals : public Globals {
 public:
  JsonGlobals() = default;
  /// `object` is a JSON object; checked when it is looked into.
  explicit JsonGlobals(std::string_view object) : object_(object) {}
  /// Added ones go before those of the object.
  void add(std::string_view name, std::string_view json) { named_.emplace_back(name, json); }
  bool find(Heap& heap, std::string_view name, Value& value) override;

 private:
  std::string_view object_;
  std::vector<std::pair<std::string_view, std::string_view>> named_;
};

struct Outcome {
  enum class State : uint8_t { kFinished, kSuspended, kFailed };
  State state = State::kFailed;
  Value result;  // finished

  std::string async_function;  // suspended: what was called
  std::vector<Value> async_arguments;

  std::string error;       // failed: one sentence; of an uncaught exception Type('message')
  std::string error_type;  // of an uncaught exception, else empty
  std::string error_message;
  Value error_payload;
  SourcePlace error_place;  // if the compiler made the program

  std::vector<std::string> printed;
  size_t printed_lost = 0;  // lines beyond the limits

  uint64_t ops = 0;
  int64_t time_us = 0;            // in the machine, all steps
  uint64_t memory_bytes_max = 0;  // as Limits::memory_bytes counts
  size_t heap_bytes_max = 0;
  uint32_t async_steps = 0;

  bool finished() const { return state == State::kFinished; }
};

class Machine {
 public:
  Machine();
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  const Outcome& run(const std::shared_ptr<const Program>& program, Globals& globals, Host& host,
                     const Limits& limits = {});
  /// Goes on after a suspended run, with what the function gave (a value of `heap()`).
  const Outcome& resume(Value result, Globals& globals, Host& host, const Limits& limits = {});

  /// The suspended run as PostHog stores it: JSON. kInvalid when nothing is suspended.
  Result<std::string> save();
  /// Makes a saved run the suspended one; then `resume`. kInvalid: not a saved run.
  Status restore(std::string_view state);

  /// Where values for `resume` are made and results are read with.
  Heap& heap();

 private:
  class Vm;
  std::unique_ptr<Vm> vm_;
};

}  // namespace penstock::hog
