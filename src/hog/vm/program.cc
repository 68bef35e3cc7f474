#include "hog/program.h"

#include <algorithm>
#include <cmath>

#include "hog/stl/context.h"
#include "hog/values/json.h"
#include "hog/values/number.h"

namespace penstock::hog {
namespace {

/// The note of a number that the source wrote with a point: it is stored with one, too.
constexpr int32_t kFloatNote = -2;

struct OpShape {
  const char* name;
  int operands;
};

constexpr OpShape kShapes[] = {{"", 0},
                               {"GET_GLOBAL", 1},
                               {"CALL_GLOBAL", 2},
                               {"AND", 1},
                               {"OR", 1},
                               {"NOT", 0},
                               {"PLUS", 0},
                               {"MINUS", 0},
                               {"MULTIPLY", 0},
                               {"DIVIDE", 0},
                               {"MOD", 0},
                               {"EQ", 0},
                               {"NOT_EQ", 0},
                               {"GT", 0},
                               {"GT_EQ", 0},
                               {"LT", 0},
                               {"LT_EQ", 0},
                               {"LIKE", 0},
                               {"ILIKE", 0},
                               {"NOT_LIKE", 0},
                               {"NOT_ILIKE", 0},
                               {"IN", 0},
                               {"NOT_IN", 0},
                               {"REGEX", 0},
                               {"NOT_REGEX", 0},
                               {"IREGEX", 0},
                               {"NOT_IREGEX", 0},
                               {"IN_COHORT", 0},
                               {"NOT_IN_COHORT", 0},
                               {"TRUE", 0},
                               {"FALSE", 0},
                               {"NULL", 0},
                               {"STRING", 1},
                               {"INTEGER", 1},
                               {"FLOAT", 1},
                               {"POP", 0},
                               {"GET_LOCAL", 1},
                               {"SET_LOCAL", 1},
                               {"RETURN", 0},
                               {"JUMP", 1},
                               {"JUMP_IF_FALSE", 1},
                               {"DECLARE_FN", 3},
                               {"DICT", 1},
                               {"ARRAY", 1},
                               {"TUPLE", 1},
                               {"GET_PROPERTY", 0},
                               {"SET_PROPERTY", 0},
                               {"JUMP_IF_STACK_NOT_NULL", 1},
                               {"GET_PROPERTY_NULLISH", 0},
                               {"THROW", 0},
                               {"TRY", 1},
                               {"POP_TRY", 0},
                               {"CALLABLE", 4},
                               {"CLOSURE", 1},
                               {"CALL_LOCAL", 1},
                               {"GET_UPVALUE", 1},
                               {"SET_UPVALUE", 1},
                               {"CLOSE_UPVALUE", 0}};
static_assert(std::size(kShapes) == static_cast<size_t>(Op::kCloseUpvalue) + 1);

Result<Slot> slot_of(const Value& value, size_t at) {
  switch (value.kind()) {
    case Kind::kNull: return Slot{};
    case Kind::kBool: return Slot::of(value.as_bool());
    case Kind::kNumber: return Slot::of(value.as_number());
    case Kind::kString: return Slot::of(std::string(value.text()));
    default:
      return fail(Code::kInvalid, "bytecode: slot " + std::to_string(at) +
                                      " is neither a number, a string, a boolean nor null");
  }
}

}  // namespace

Program::~Program() { code_.clear(); }

std::shared_ptr<const Program> Program::make(const std::vector<Slot>& slots) {
  std::shared_ptr<Program> out(new Program);
  out->version_ = slots[0].text == "_H" ? static_cast<int>(slots[1].number) : 0;
  out->begin_ = slots[0].text == "_H" ? 2 : 1;
  out->code_.reserve(slots.size());
  bool placed = false;
  for (const Slot& slot : slots) {
    placed = placed || slot.place.line != 0;
    switch (slot.type) {
      case Slot::Type::kNull: out->code_.emplace_back(); break;
      case Slot::Type::kBool: out->code_.push_back(Value::boolean(slot.flag)); break;
      case Slot::Type::kNumber: {
        Value value = Value::number(slot.number);
        const bool whole = slot.number == std::trunc(slot.number) && std::fabs(slot.number) < 1e9;
        value.set_note(slot.flag ? kFloatNote : whole ? static_cast<int32_t>(slot.number) : -1);
        out->code_.push_back(std::move(value));
        break;
      }
      case Slot::Type::kString: {
        Value value = out->heap_.string(slot.text);
        value.as<String>().stl = library_index(slot.text);
        value.cell()->refs = Cell::kForever;
        out->code_.push_back(std::move(value));
        break;
      }
    }
  }
  if (placed) {
    for (const Slot& slot : slots) out->places_.push_back(slot.place);
  }
  return out;
}

std::shared_ptr<const Program> Program::from_slots(const std::vector<Slot>& slots) {
  return make(slots);
}

Result<std::shared_ptr<const Program>> Program::from_json(std::string_view bytecode) {
  Heap heap;
  try {
    const Value list = parse_json(heap, bytecode, Revive::kNothing);
    if (!list.is(Kind::kArray)) return fail(Code::kInvalid, "bytecode is not a JSON array");
    const auto& array = list.as<Array>();
    if (array.size == 0 || !array.items[0].is_string() ||
        (array.items[0].text() != "_H" && array.items[0].text() != "_h")) {
      return fail(Code::kInvalid, "Invalid HogQL bytecode, must start with '_H'");
    }
    if (array.size > kSlotsMax) {
      return fail(Code::kInvalid, "bytecode has more than " + std::to_string(kSlotsMax) + " slots");
    }
    const bool numbered = array.items[0].text() == "_H";
    if (numbered && array.size > 1 &&
        !(array.items[1].is_number() &&
          (array.items[1].as_number() == 0 || array.items[1].as_number() == 1))) {
      return fail(Code::kInvalid, "bytecode: this version of it is not known");
    }
    std::vector<Slot> slots;
    slots.reserve(array.size);
    for (size_t i = 0; i < array.size; i++) {
      PENSTOCK_TRY(Slot slot, slot_of(array.items[i], i));
      slots.push_back(std::move(slot));
    }
    if (numbered && slots.size() == 1) slots.push_back(Slot::of(0.0));
    return make(slots);
  } catch (const Failure& failure) {
    return fail(Code::kInvalid, "bytecode: " + failure.message);
  }
}

SourcePlace Program::place(size_t slot) const {
  return slot < places_.size() ? places_[slot] : SourcePlace{};
}

std::string Program::to_json() const {
  std::string out = "[";
  for (size_t i = 0; i < code_.size(); i++) {
    if (i > 0) out += ',';
    const Value& value = code_[i];
    switch (value.kind()) {
      case Kind::kBool: out += value.as_bool() ? "true" : "false"; break;
      case Kind::kNumber: {
        const double n = value.as_number();
        const std::string text = std::isfinite(n) ? number_text(n) : "null";
        out += text;
        const bool whole = text.find_first_of(".en") == std::string::npos;
        if (value.note() == kFloatNote && whole) out += ".0";
        break;
      }
      case Kind::kString: append_json_string(out, value.text()); break;
      default: out += "null";
    }
  }
  return out + ']';
}

std::string Program::disassembled() const {
  std::string out;
  const auto text = [this](size_t at) {
    std::string shown;
    if (at >= code_.size()) return std::string("(missing)");
    const Value& value = code_[at];
    if (value.is_string()) {
      append_json_string(shown, value.text());
    } else {
      shown = value.is_number()       ? number_text(value.as_number())
              : value.is(Kind::kBool) ? (value.as_bool() ? "true" : "false")
                                      : "null";
    }
    return shown;
  };
  for (size_t at = begin_; at < code_.size();) {
    const size_t start = at;
    const int32_t op = code_[at].is_number() ? code_[at].note() : -1;
    std::string number = std::to_string(start);
    out += std::string(6 - std::min<size_t>(6, number.size()), ' ') + number + "  ";
    at++;
    if (op < 1 || op >= static_cast<int32_t>(std::size(kShapes))) {
      out += code_[start].is_null() ? "(nothing)\n" : "(data " + text(start) + ")\n";
      continue;
    }
    const OpShape& shape = kShapes[op];
    out += shape.name;
    size_t operands = static_cast<size_t>(shape.operands);
    if (op == static_cast<int>(Op::kClosure) && at < code_.size() && code_[at].is_number()) {
      operands += 2 * static_cast<size_t>(std::max(0, code_[at].note()));
    }
    for (size_t i = 0; i < operands && at < code_.size(); i++, at++) out += ' ' + text(at);
    const bool jump = op == static_cast<int>(Op::kJump) ||
                      op == static_cast<int>(Op::kJumpIfFalse) ||
                      op == static_cast<int>(Op::kJumpIfStackNotNull);
    const bool handler = op == static_cast<int>(Op::kTry);
    if ((jump || handler) && start + 1 < code_.size()) {
      const int64_t to = static_cast<int64_t>(at) + code_[start + 1].note() - (handler ? 1 : 0);
      out += "  -> " + std::to_string(to);
    }
    if (const SourcePlace where = place(start); where.line != 0) {
      out += "    ; line " + std::to_string(where.line);
    }
    out += '\n';
  }
  return out;
}

}  // namespace penstock::hog
