// Operations on values: arithmetic, comparison, matching, the stack, jumps.
#include <cmath>

#include "hog/values/text.h"
#include "hog/vm/vm.h"

namespace penstock::hog {

Machine::Vm::Next Machine::Vm::arithmetic(Op op) {
  if (op == Op::kNot) {
    push_costed(Value::boolean(!truthy(pop())), 8);
    return Next::kGoOn;
  }
  if (op == Op::kAnd || op == Op::kOr) {
    const int32_t count = next_number();
    bool result = op == Op::kAnd;
    for (int32_t i = 0; i < count; i++) {
      const bool one = truthy(pop());
      result = op == Op::kAnd ? one && result : one || result;
    }
    push_costed(Value::boolean(result), 8);
    return Next::kGoOn;
  }
  const double left = to_number(context_.heap, pop()), right = to_number(context_.heap, pop());
  double result = 0;
  switch (op) {
    case Op::kPlus: result = left + right; break;
    case Op::kMinus: result = left - right; break;
    case Op::kMultiply: result = left * right; break;
    case Op::kDivide: result = left / right; break;
    default: result = std::fmod(left, right); break;
  }
  push_costed(Value::number(result), 8);
  return Next::kGoOn;
}

Machine::Vm::Next Machine::Vm::comparison(Op op) {
  const Value left = pop(), right = pop();
  Compare how = Compare::kEq;
  switch (op) {
    case Op::kEq: how = Compare::kEq; break;
    case Op::kNotEq: how = Compare::kNotEq; break;
    case Op::kGt: how = Compare::kGt; break;
    case Op::kGtEq: how = Compare::kGtEq; break;
    case Op::kLt: how = Compare::kLt; break;
    default: how = Compare::kLtEq; break;
  }
  push_costed(Value::boolean(compare(context_.heap, left, right, how)), 8);
  return Next::kGoOn;
}

Machine::Vm::Next Machine::Vm::matching(Op op) {
  Heap& heap = context_.heap;
  const Value left = pop();
  if (op == Op::kInCohort || op == Op::kNotInCohort) {
    fail("Cohorts can not be looked up while running");
  }
  const Value right = pop();
  bool result = false;
  switch (op) {
    case Op::kLike:
    case Op::kNotLike:
    case Op::kIlike:
    case Op::kNotIlike: {
      const std::string text = to_js_string(heap, left), pattern = to_js_string(heap, right);
      result = context_.regexes.like(pattern, text, op == Op::kIlike || op == Op::kNotIlike) ==
               (op == Op::kLike || op == Op::kIlike);
      break;
    }
    case Op::kIn:
    case Op::kNotIn:
      if (right.is_string()) {
        result = right.text().find(to_js_string(heap, left)) != std::string_view::npos;
      } else if (right.is(Kind::kArray)) {
        auto& array = right.as<Array>();
        for (size_t i = 0; i < array.size && !result; i++) {
          result = same_value_zero(heap.item(array, i), left);
        }
      } else {
        fail("`in` needs an array, a tuple or a string on its right");
      }
      result = result == (op == Op::kIn);
      break;
    default: {
      // text on top, pattern below
      const bool any_case = op == Op::kIregex || op == Op::kNotIregex;
      const bool plain = any_case || truthy(right);
      if (truthy(left) && plain) {
        result =
            context_.regexes.matches(to_js_string(heap, right), to_js_string(heap, left), any_case);
      }
      result = result == (op == Op::kRegex || op == Op::kIregex);
    }
  }
  push_costed(Value::boolean(result), 8);
  return Next::kGoOn;
}

Machine::Vm::Next Machine::Vm::stack_step(Op op) {
  Heap& heap = context_.heap;
  switch (op) {
    case Op::kGetGlobal: {
      const int32_t count = next_number();
      if (count < 0 || static_cast<size_t>(count) > stack_.size()) {
        fail("Invalid HogQL bytecode, stack is empty, can not pop");
      }
      push(get_global(static_cast<size_t>(count)));
      return Next::kGoOn;
    }
    case Op::kSetLocal: {
      const int32_t index = next_number();
      Value value = pop();
      Value& slot = local(index);
      const auto at = static_cast<size_t>(&slot - stack_.data());
      const uint64_t cost = cost_of(value);
      memory_ += cost - costs_[at];
      costs_[at] = cost;
      if (memory_ > memory_max_) memory_max_ = memory_;
      slot = std::move(value);
      return Next::kGoOn;
    }
    case Op::kGetProperty:
    case Op::kGetPropertyNullish: {
      const Value key = pop(), object = pop();
      push(property(heap, object, key, false));
      return Next::kGoOn;
    }
    case Op::kSetProperty: {
      Value value = pop();
      const Value key = pop(), object = pop();
      set_property(heap, object, key, std::move(value));
      return Next::kGoOn;
    }
    default: break;
  }
  const int32_t count = next_number();
  const size_t size =
      op == Op::kDict ? size_t{2} * static_cast<size_t>(count) : static_cast<size_t>(count);
  if (count < 0 || size > stack_.size()) fail("Not enough values on the stack");
  const size_t first = stack_.size() - size;
  Value made = op == Op::kDict ? heap.object(static_cast<size_t>(count)) : heap.array(size);
  if (op == Op::kTuple) made.cell()->tuple = true;
  for (size_t i = first; i < stack_.size(); i++) {
    memory_ -= costs_[i];
    if (op == Op::kDict) {
      if ((i - first) % 2 == 1) heap.set(made.as<Object>(), stack_[i - 1], stack_[i]);
    } else {
      heap.push(made.as<Array>(), stack_[i]);
    }
  }
  stack_.resize(first);
  costs_.resize(first);
  push(std::move(made));
  return Next::kGoOn;
}

Machine::Vm::Next Machine::Vm::jump_step(Op op) {
  const int32_t offset = next_number();
  if (op == Op::kJumpIfFalse) {
    if (truthy(pop())) return Next::kGoOn;
  } else if (op == Op::kJumpIfStackNotNull) {
    if (stack_.empty() || stack_.back().is_null()) return Next::kGoOn;
  }
  ip_ += offset;
  return Next::kGoOn;
}

bool JsonGlobals::find(Heap& heap, std::string_view name, Value& value) {
  for (const auto& [key, json] : named_) {
    if (key == name) {
      value = Value::raw(json);
      return true;
    }
  }
  if (object_.empty()) return false;
  Value all = heap.from_raw(object_);
  if (!all.is(Kind::kObject)) throw Failure{"Globals must be a JSON object"};
  const Value* found = heap.peek(all.as<Object>(), name);
  if (found == nullptr) return false;
  value = *found;
  return true;
}

bool Machine::Vm::global(std::string_view name, Value& value) {
  for (auto& [key, root] : roots_) {
    if (key == name) {
      value = root;
      return true;
    }
  }
  if (globals_of_chunk() == nullptr || !globals_->find(context_.heap, name, value)) return false;
  if (value.is(Kind::kRaw)) value = context_.heap.from_raw(value.raw_text());
  roots_.emplace_back(name, value);
  return true;
}

Value Machine::Vm::get_global(size_t count) {
  if (count == 0) fail("Global variable not found: ");
  Heap& heap = context_.heap;
  const size_t first = stack_.size() - count;
  const Value root = stack_.back();
  const std::string name = root.is_string() ? std::string() : to_js_string(heap, root);
  const std::string_view text = root.is_string() ? root.text() : std::string_view(name);
  Value value;
  const bool found = globals_of_chunk() != nullptr && global(text, value);
  if (!found) {
    if (count == 1) value = function_named(text);
    if (value.is_null()) {
      std::string path;
      for (size_t i = stack_.size(); i-- > first;) {
        path += (path.empty() ? "" : ".") + to_js_string(heap, stack_[i]);
      }
      fail("Global variable not found: " + path);
    }
  }
  for (size_t i = stack_.size() - 1; i-- > first;) {
    if (value.is_nothing()) break;
    value = property(heap, value, stack_[i], true);
  }
  for (size_t i = 0; i < count; i++) pop();
  return found ? fresh(value) : value;
}

/// Every look at a global is a copy of its own, so that changing one changes nothing else.
Value Machine::Vm::fresh(const Value& value) {
  Heap& heap = context_.heap;
  if (value.is(Kind::kObject)) {
    auto& object = value.as<Object>();
    if (object.raw != nullptr) return heap.from_raw({object.raw, object.raw_size});
    Value out = heap.object(heap.size(object));
    for (size_t i = 0; i < object.size; i++) {
      heap.set(out.as<Object>(), heap.key_at(object, i), fresh(object.entries[i].value));
    }
    return out;
  }
  if (!value.is(Kind::kArray)) return value;
  auto& array = value.as<Array>();
  Value out = heap.array(array.size);
  out.cell()->tuple = array.tuple;
  for (const Value& item : array.span()) heap.push(out.as<Array>(), fresh(item));
  return out;
}

}  // namespace penstock::hog
