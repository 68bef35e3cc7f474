#include <algorithm>

#include "hog/compile/compiler.h"
#include "hog/stl/context.h"
#include "hog/values/text.h"

namespace penstock::hog {

Compiler::Compiler(std::string_view source, const CompileOptions& options)
    : source_(source), options_(options), lines_{0} {
  for (size_t i = 0; i < source.size(); i++) {
    if (source[i] == '\n') lines_.push_back(i + 1);
  }
}

SourcePlace Compiler::place_of(size_t byte) const {
  byte = std::min(byte, source_.size());
  const auto line = std::upper_bound(lines_.begin(), lines_.end(), byte) - lines_.begin() - 1;
  const size_t start = lines_[static_cast<size_t>(line)];
  uint32_t column = 1;
  for (size_t i = start; i < byte; i++) {
    column += (static_cast<unsigned char>(source_[i]) & 0xc0) != 0x80 ? 1U : 0U;
  }
  return {static_cast<uint32_t>(line + 1), column};
}

Diagnostic Compiler::diagnostic(std::string message, size_t begin, size_t end) const {
  Diagnostic out{std::move(message), place_of(begin), 1};
  const SourcePlace last = place_of(std::max(begin, end));
  if (last.line == out.place.line && last.column > out.place.column) {
    out.length = last.column - out.place.column;
  }
  return out;
}

void Compiler::fail(std::string message, const Node& node) {
  throw SyntaxError{std::move(message), node.begin, node.end};
}

void Compiler::emit(Code& code, Slot slot) const {
  slot.place = place_of(at_);
  code.push_back(std::move(slot));
}

Code Compiler::expression(const Node& node) { return value(node); }

Code Compiler::values(const std::vector<NodePtr>& list) {
  Code out;
  for (const NodePtr& one : list) append(out, value(*one));
  return out;
}

Code Compiler::constant(const Node& node) {
  switch (node.type) {
    case NodeType::kNullConstant: return made(node, Op::kNull);
    case NodeType::kBoolConstant: return made(node, node.flag ? Op::kTrue : Op::kFalse);
    case NodeType::kStringConstant: return made(node, Op::kString, node.text);
    default: {
      Code out = made(node, node.flag ? Op::kFloat : Op::kInteger, node.number);
      out[1].flag = node.flag;  // shown with its point
      return out;
    }
  }
}

void Compiler::look_at_local(int local) {
  const auto& locals = function_->locals;
  const Local& found = locals[static_cast<size_t>(local)];
  if (!found.unasked) return;
  for (size_t i = 0; i < static_cast<size_t>(local); i++) {
    if (locals[i].name != found.name || locals[i].unasked) continue;
    warnings.push_back(diagnostic(
        "Inside a catch `" + found.name + "` is the error" + (found.name == "e" ? "" : "'s type") +
            ", on PostHog too: the variable of that name outside needs another one",
        at_, at_ + found.name.size()));
    return;
  }
}

/// The value of a local or captured variable.
bool Compiler::load(std::string_view name, Code& code) {
  if (const int local = find_local(*function_, name); local >= 0) {
    look_at_local(local);
    emit(code, Slot::of(Op::kGetLocal));
    emit(code, Slot::of(static_cast<double>(local)));
    return true;
  }
  if (const int upvalue = find_upvalue(*function_, name); upvalue >= 0) {
    emit(code, Slot::of(Op::kGetUpvalue));
    emit(code, Slot::of(static_cast<double>(upvalue)));
    return true;
  }
  return false;
}

Code Compiler::field(const Node& node) {
  at_ = node.begin;
  Code out;
  if (load(node.names[0], out)) {
    for (size_t i = 1; i < node.names.size(); i++) {
      append(out, made(node, Op::kString, node.names[i], Op::kGetProperty));
    }
    return out;
  }
  for (size_t i = node.names.size(); i-- > 0;) {
    append(out, made(node, Op::kString, node.names[i]));
  }
  append(out, made(node, Op::kGetGlobal, static_cast<double>(node.names.size())));
  return out;
}

Code Compiler::conditional(const Node& condition, const Node& yes, const Code& no) {
  Code out = value(condition), then = value(yes);
  append(out, made(condition, Op::kJumpIfFalse, size_of(then) + 2));
  append(out, std::move(then));
  append(out, made(condition, Op::kJump, size_of(no)));
  append(out, no);
  return out;
}

Code Compiler::call(const Node& node) {
  if (node.has_params) {
    // f(p)(a): what f(p) gives is called with a
    Code out = values(node.kids);
    Node inner;
    inner.type = NodeType::kCall;
    inner.text = node.text;
    inner.begin = node.begin;
    inner.end = node.end;
    Code callee = values(node.params);
    append(callee, call_by_name(inner));
    callee.back() = Slot::of(static_cast<double>(node.params.size()));
    append(out, std::move(callee));
    append(out, made(node, Op::kCallLocal, static_cast<double>(node.kids.size())));
    return out;
  }
  const auto& kids = node.kids;
  const std::string& name = node.text;
  if (name == "and" || name == "or") {
    if (kids.size() < 2) fail("'" + name + "' needs at least two arguments", node);
    Code out = values(kids);
    append(out, made(node, name == "and" ? Op::kAnd : Op::kOr, static_cast<double>(kids.size())));
    return out;
  }
  if (name == "not" && kids.size() == 1) {
    Code out = value(*kids[0]);
    append(out, made(node, Op::kNot));
    return out;
  }
  if (name == "if" && kids.size() >= 2) {
    if (kids.size() > 3) fail("'if' takes a condition and two values", node);
    if (kids.size() == 3) return conditional(*kids[0], *kids[1], value(*kids[2]));
    return conditional(*kids[0], *kids[1], made(node, Op::kNull));
  }
  if (name == "multiIf" && kids.size() >= 2) {
    if (kids.size() % 2 == 0) {
      fail("'multiIf' takes pairs of a condition and a value, then the value for all others", node);
    }
    Code out = value(*kids.back());
    for (size_t i = kids.size() - 1; i >= 2; i -= 2) {
      out = conditional(*kids[i - 2], *kids[i - 1], out);
    }
    return out;
  }
  if (name == "ifNull" && kids.size() == 2) {
    Code out = value(*kids[0]), otherwise = value(*kids[1]);
    append(out, made(node, Op::kJumpIfStackNotNull, size_of(otherwise) + 1, Op::kPop));
    append(out, std::move(otherwise));
    return out;
  }
  if (name == "sql" && kids.size() == 1 && !node.flag) return sql(*kids[0]);
  Code out = values(kids);
  append(out, call_by_name(node));
  return out;
}

Code Compiler::call_by_name(const Node& node) {
  at_ = node.begin;
  Code out;
  if (load(node.text, out)) {
    append(out, made(node, Op::kCallLocal, static_cast<double>(node.kids.size())));
    return out;
  }
  const bool known = library_index(node.text) >= 0 || options_.functions.contains(node.text) ||
                     node.text == "import";
  if (!known) {
    unknown_functions.push_back(diagnostic("Hog function `" + node.text + "` is not implemented",
                                           node.begin, node.begin + node.text.size()));
  }
  return made(node, Op::kCallGlobal, node.text, static_cast<double>(node.kids.size()));
}

Code Compiler::between(const Node& node) {
  Code out = value(*node.kids[1]);
  append(out, value(*node.kids[0]));
  append(out, made(node, node.flag ? Op::kLt : Op::kGtEq));
  append(out, value(*node.kids[2]));
  append(out, value(*node.kids[0]));
  append(out, made(node, node.flag ? Op::kGt : Op::kLtEq, node.flag ? Op::kOr : Op::kAnd, 2.0));
  return out;
}

Code Compiler::comparison(const Node& node) {
  static constexpr std::pair<std::string_view, Op> kOps[] = {{"==", Op::kEq},
                                                             {"!=", Op::kNotEq},
                                                             {">", Op::kGt},
                                                             {">=", Op::kGtEq},
                                                             {"<", Op::kLt},
                                                             {"<=", Op::kLtEq},
                                                             {"like", Op::kLike},
                                                             {"ilike", Op::kIlike},
                                                             {"not like", Op::kNotLike},
                                                             {"not ilike", Op::kNotIlike},
                                                             {"in", Op::kIn},
                                                             {"not in", Op::kNotIn},
                                                             {"=~", Op::kRegex},
                                                             {"!~", Op::kNotRegex},
                                                             {"=~*", Op::kIregex},
                                                             {"!~*", Op::kNotIregex}};
  for (const auto& [text, op] : kOps) {
    if (text != node.text) continue;
    Code out = value(*node.kids[1]);
    append(out, value(*node.kids[0]));
    append(out, made(node, op));
    return out;
  }
  fail("Can't use cohorts in real-time filters. Please inline the relevant expressions", node);
}

Code Compiler::access(const Node& node) {
  Code out = value(*node.kids[0]);
  if (node.type == NodeType::kTupleAccess) {
    append(out, made(node, Op::kInteger, node.number));
  } else {
    const Node& key = *node.kids[1];
    if (key.type == NodeType::kNumberConstant && key.number == 0 && !key.flag) {
      fail("Arrays begin with index 1: there is no index 0", key);
    }
    append(out, value(key));
  }
  append(out, made(node, node.flag ? Op::kGetPropertyNullish : Op::kGetProperty));
  return out;
}

Code Compiler::value(const Node& node) {
  const auto all_then = [&](Op op, bool pairs) {
    Code out = values(node.kids);
    const auto count = static_cast<double>(pairs ? node.kids.size() / 2 : node.kids.size());
    append(out, made(node, op, count));
    return out;
  };
  switch (node.type) {
    case NodeType::kNullConstant:
    case NodeType::kBoolConstant:
    case NodeType::kNumberConstant:
    case NodeType::kStringConstant: return constant(node);
    case NodeType::kField: return field(node);
    case NodeType::kCall: return call(node);
    case NodeType::kExprCall: {
      Code out;
      for (size_t i = 1; i < node.kids.size(); i++) append(out, value(*node.kids[i]));
      append(out, value(*node.kids[0]));
      append(out, made(node, Op::kCallLocal, static_cast<double>(node.kids.size() - 1)));
      return out;
    }
    case NodeType::kArithmetic: {
      const Op op = node.text == "+"   ? Op::kPlus
                    : node.text == "-" ? Op::kMinus
                    : node.text == "*" ? Op::kMultiply
                    : node.text == "/" ? Op::kDivide
                                       : Op::kMod;
      Code out = value(*node.kids[1]);
      append(out, value(*node.kids[0]));
      append(out, made(node, op));
      return out;
    }
    case NodeType::kCompare: return comparison(node);
    case NodeType::kAnd: return all_then(Op::kAnd, false);
    case NodeType::kOr: return all_then(Op::kOr, false);
    case NodeType::kNot: {
      Code out = value(*node.kids[0]);
      append(out, made(node, Op::kNot));
      return out;
    }
    case NodeType::kBetween: return between(node);
    case NodeType::kDict: return all_then(Op::kDict, true);
    case NodeType::kArray: return all_then(Op::kArray, false);
    case NodeType::kTuple: return all_then(Op::kTuple, false);
    case NodeType::kArrayAccess:
    case NodeType::kTupleAccess: return access(node);
    case NodeType::kLambda: return callable("lambda", node);
    case NodeType::kTag: return tag(node);
    case NodeType::kSqlNode: return sql(node);
    case NodeType::kTypeCast:
      fail("Casts are not part of Hog: use toInt, toString and the like", node);
    case NodeType::kPlaceholder:
      fail("Placeholders only mean something inside sql(…) and queries", node);
    default: fail("This is not part of Hog", node);
  }
}

/// A dictionary with the tag's kind and attributes.
Code Compiler::tag(const Node& node) {
  Code out = made(node, Op::kString, "__hx_tag", Op::kString, node.text);
  for (size_t i = 0; i < node.names.size(); i++) {
    const Node& kid = *node.kids[i];
    append(out, made(kid, Op::kString, node.names[i]));
    if (kid.type == NodeType::kBoolConstant) {
      append(out, made(kid, Op::kInteger, kid.flag));  // as PostHog's compiler writes it
    } else {
      append(out, value(kid));
    }
  }
  append(out, made(node, Op::kDict, static_cast<double>(node.names.size() + 1)));
  return out;
}

}  // namespace penstock::hog
