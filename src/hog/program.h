// Program: Hog bytecode, checked once and then only read.
//
// A Program comes from the compiler (hog/compiler.h) or from bytecode that PostHog stored: a JSON
// array that begins with "_H", 1 or, in old rows, "_h". It is immutable; share it between threads
// and runs. Reading fails with kInvalid and a sentence about where.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "hog/value.h"

namespace penstock::hog {

enum class Op : uint8_t {
  kGetGlobal = 1,
  kCallGlobal = 2,
  kAnd = 3,
  kOr = 4,
  kNot = 5,
  kPlus = 6,
  kMinus = 7,
  kMultiply = 8,
  kDivide = 9,
  kMod = 10,
  kEq = 11,
  kNotEq = 12,
  kGt = 13,
  kGtEq = 14,
  kLt = 15,
  kLtEq = 16,
  kLike = 17,
  kIlike = 18,
  kNotLike = 19,
  kNotIlike = 20,
  kIn = 21,
  kNotIn = 22,
  kRegex = 23,
  kNotRegex = 24,
  kIregex = 25,
  kNotIregex = 26,
  kInCohort = 27,
  kNotInCohort = 28,
  kTrue = 29,
  kFalse = 30,
  kNull = 31,
  kString = 32,
  kInteger = 33,
  kFloat = 34,
  kPop = 35,
  kGetLocal = 36,
  kSetLocal = 37,
  kReturn = 38,
  kJump = 39,
  kJumpIfFalse = 40,
  kDeclareFn = 41,
  kDict = 42,
  kArray = 43,
  kTuple = 44,
  kGetProperty = 45,
  kSetProperty = 46,
  kJumpIfStackNotNull = 47,
  kGetPropertyNullish = 48,
  kThrow = 49,
  kTry = 50,
  kPopTry = 51,
  kCallable = 52,
  kClosure = 53,
  kCallLocal = 54,
  kGetUpvalue = 55,
  kSetUpvalue = 56,
  kCloseUpvalue = 57,
};

/// Where in a source a slot of bytecode came from; line 0: nowhere known.
struct SourcePlace {
  uint32_t line = 0, column = 0;  // from 1
  bool operator==(const SourcePlace&) const = default;
};

/// One slot before it becomes part of a Program.
struct Slot {
  enum class Type : uint8_t { kNull, kBool, kNumber, kString };
  Type type = Type::kNull;
  bool flag = false;
  double number = 0;
  std::string text;
  SourcePlace place;

  static Slot of(Op op) { return of(static_cast<double>(static_cast<int>(op))); }
  static Slot of(double n) {
    Slot slot;
    slot.type = Type::kNumber;
    slot.number = n;
    return slot;
  }
  static Slot of(std::string text) {
    Slot slot;
    slot.type = Type::kString;
    slot.text = std::move(text);
    return slot;
  }
  static Slot of(const char* text) { return of(std::string(text)); }
  static Slot of(bool flag) {
    Slot slot;
    slot.type = Type::kBool;
    slot.flag = flag;
    return slot;
  }
};

class Program {
 public:
  /// From stored bytecode. At most kSlotsMax slots.
  static Result<std::shared_ptr<const Program>> from_json(std::string_view bytecode);
  /// From a compiler: slots with their header.
  static std::shared_ptr<const Program> from_slots(const std::vector<Slot>& slots);
  ~Program();

  /// 0 or 1; where the first operation is.
  int version() const { return version_; }
  size_t begin() const { return begin_; }
  /// Numbers keep their operation (or -1) as note; never raw, never counted.
  std::span<const Value> code() const { return code_; }
  SourcePlace place(size_t slot) const;
  /// The JSON array it would be stored as.
  std::string to_json() const;
  /// One line per operation, for people.
  std::string disassembled() const;

  static constexpr size_t kSlotsMax = 1'000'000;

 private:
  Program() = default;
  static std::shared_ptr<const Program> make(const std::vector<Slot>& slots);

  Heap heap_;
  std::vector<Value> code_;
  std::vector<SourcePlace> places_;
  int version_ = 0;
  size_t begin_ = 0;
};

}  // namespace penstock::hog
