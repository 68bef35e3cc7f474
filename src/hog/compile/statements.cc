#include "hog/compile/compiler.h"

namespace penstock::hog {

int Compiler::find_local(const Function& function, std::string_view name) {
  for (size_t i = function.locals.size(); i-- > 0;) {
    if (function.locals[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

int Compiler::capture(Function& function, bool is_local, int index) {
  for (size_t i = 0; i < function.upvalues.size(); i++) {
    const Captured& old = function.upvalues[i];
    if (old.is_local == is_local && old.index == index) return static_cast<int>(i);
  }
  function.upvalues.push_back({is_local, index});
  return static_cast<int>(function.upvalues.size() - 1);
}

int Compiler::find_upvalue(Function& function, std::string_view name) {
  if (function.outer == nullptr) return -1;
  if (const int local = find_local(*function.outer, name); local >= 0) {
    function.outer->locals[static_cast<size_t>(local)].captured = true;
    return capture(function, true, local);
  }
  const int upvalue = find_upvalue(*function.outer, name);
  return upvalue < 0 ? -1 : capture(function, false, upvalue);
}

int Compiler::declare(const std::string& name, const Node& where) {
  auto& locals = function_->locals;
  for (size_t i = locals.size(); i-- > 0 && locals[i].depth == function_->depth;) {
    if (locals[i].name == name) {
      fail("Variable `" + name + "` already declared in this scope", where);
    }
  }
  locals.push_back({name, function_->depth});
  return static_cast<int>(locals.size() - 1);
}

/// What leaves the stack where the scope ends, last first.
Code Compiler::close_scope() {
  Code out;
  auto& locals = function_->locals;
  while (!locals.empty() && locals.back().depth == function_->depth) {
    emit(out, Slot::of(locals.back().captured ? Op::kCloseUpvalue : Op::kPop));
    locals.pop_back();
  }
  function_->depth--;
  return out;
}

Code Compiler::statements(const std::vector<NodePtr>& list) {
  Code out;
  for (const NodePtr& one : list) append(out, statement(*one));
  return out;
}

Code Compiler::program(const Node& node) {
  open_scope();
  Code out = statements(node.kids);
  append(out, close_scope());
  return out;
}

Code Compiler::function_body(const Node& program_node, const std::vector<std::string>& parameters) {
  for (const std::string& parameter : parameters) declare(parameter, program_node);
  return program(program_node);
}

Code Compiler::block(const Node& node) {
  open_scope();
  Code out = statements(node.kids);
  append(out, close_scope());
  return out;
}

Code Compiler::declaration(const Node& node) {
  declare(node.text, node);  // before its value: `let x := x` reads its own place
  return node.kids.empty() ? made(node, Op::kNull) : value(*node.kids[0]);
}

Code Compiler::assignment(const Node& node) {
  const Node& target = *node.kids[0];
  Code out;
  if (target.type == NodeType::kField) {
    at_ = target.begin;
    const int local = find_local(*function_, target.names[0]);
    const int upvalue = local >= 0 ? -1 : find_upvalue(*function_, target.names[0]);
    if (local < 0 && upvalue < 0) {
      fail("Variable `" + target.names[0] +
               "` is not declared here; globals can't be assigned. Declare it with let first",
           target);
    }
    if (local >= 0 && target.names.size() == 1) look_at_local(local);
    if (target.names.size() == 1) {
      out = value(*node.kids[1]);
      append(out, made(node, local >= 0 ? Op::kSetLocal : Op::kSetUpvalue,
                       static_cast<double>(local >= 0 ? local : upvalue)));
      return out;
    }
    load(target.names[0], out);
    for (size_t i = 1; i < target.names.size(); i++) {
      append(out, made(target, Op::kString, target.names[i]));
      if (i + 1 < target.names.size()) append(out, made(target, Op::kGetProperty));
    }
  } else if (target.type == NodeType::kArrayAccess || target.type == NodeType::kTupleAccess) {
    const Node* root = target.kids[0].get();
    while (root->type == NodeType::kArrayAccess || root->type == NodeType::kTupleAccess) {
      root = root->kids[0].get();
    }
    if (root->type == NodeType::kField && find_local(*function_, root->names[0]) < 0 &&
        find_upvalue(*function_, root->names[0]) < 0) {
      fail("Variable `" + root->names[0] +
               "` is not declared here; globals can't be assigned. Declare it with let first",
           *root);
    }
    out = access(target);
    out.pop_back();  // the read; what is left is the object and the key
  } else {
    fail("Only variables and properties can be assigned", target);
  }
  append(out, value(*node.kids[1]));
  append(out, made(node, Op::kSetProperty));
  return out;
}

Code Compiler::if_statement(const Node& node) {
  Code out = value(*node.kids[0]), then = statement(*node.kids[1]);
  Code otherwise;
  if (node.kids.size() > 2) otherwise = statement(*node.kids[2]);
  append(out, made(node, Op::kJumpIfFalse, size_of(then) + (otherwise.empty() ? 0.0 : 2.0)));
  append(out, std::move(then));
  if (otherwise.empty()) return out;
  append(out, made(node, Op::kJump, size_of(otherwise)));
  append(out, std::move(otherwise));
  return out;
}

Code Compiler::while_statement(const Node& node) {
  Code out = value(*node.kids[0]), body = statement(*node.kids[1]);
  append(out, made(node, Op::kJumpIfFalse, size_of(body) + 2));
  append(out, std::move(body));
  append(out, made(node, Op::kJump, -(size_of(out) + 2)));
  return out;
}

Code Compiler::for_statement(const Node& node) {
  const bool scoped = node.kids[0]->type != NodeType::kNothing;
  Code out;
  if (scoped) {
    open_scope();
    out = statement(*node.kids[0]);
  }
  const bool conditional = node.kids[1]->type != NodeType::kNothing;
  Code condition, step;
  if (conditional) condition = value(*node.kids[1]);
  if (node.kids[2]->type != NodeType::kNothing) step = statement(*node.kids[2]);
  Code body = statement(*node.kids[3]);
  double back = size_of(step) + size_of(body) + size_of(condition) + 2;
  append(out, std::move(condition));
  if (conditional) {
    append(out, made(node, Op::kJumpIfFalse, size_of(body) + size_of(step) + 2));
    back += 2;
  }
  append(out, std::move(body));
  append(out, std::move(step));
  append(out, made(node, Op::kJump, -back));
  if (scoped) append(out, close_scope());
  return out;
}

Code Compiler::for_in(const Node& node) {
  const bool keyed = node.names.size() == 2;
  const auto get = [&](int local) { return made(node, Op::kGetLocal, static_cast<double>(local)); };
  const auto call_with = [&](int local, const char* function) {
    Code out = get(local);
    append(out, made(node, Op::kCallGlobal, function, 1.0));
    return out;
  };
  // What the loop keeps has names that no program can write.
  open_scope();
  const int expression = declare("__H_expr_H__", node);
  Code out = value(*node.kids[0]);
  int keys = -1, key = -1;
  if (keyed) {
    keys = declare("__H_keys_H__", node);
    append(out, call_with(expression, "keys"));
  }
  const int all = declare("__H_values_H__", node);
  append(out, call_with(expression, "values"));
  const int index = declare("__H_index_H__", node);
  append(out, made(node, Op::kInteger, 1.0));
  const int limit = declare("__H_limit_H__", node);
  append(out, call_with(all, "length"));
  if (keyed) {
    key = declare(node.names[0], node);
    append(out, made(node, Op::kNull));
  }
  const int item = declare(node.names.back(), node);
  append(out, made(node, Op::kNull));

  Code condition = get(limit);
  append(condition, get(index));
  append(condition, made(node, Op::kLtEq));
  Code body;
  const auto take = [&](int from, int to) {
    append(body, get(from));
    append(body, get(index));
    append(body, made(node, Op::kGetProperty, Op::kSetLocal, static_cast<double>(to)));
  };
  if (keyed) take(keys, key);
  take(all, item);
  append(body, statement(*node.kids[1]));
  append(body, get(index));
  append(body, made(node, Op::kInteger, 1.0, Op::kPlus, Op::kSetLocal, static_cast<double>(index)));

  const double back = size_of(condition) + 2 + size_of(body) + 2;
  append(out, std::move(condition));
  append(out, made(node, Op::kJumpIfFalse, size_of(body) + 2));
  append(out, std::move(body));
  append(out, made(node, Op::kJump, -back));
  append(out, close_scope());
  return out;
}

/// A function or lambda as a value.
Code Compiler::callable(const std::string& name, const Node& node) {
  Function inner;
  inner.outer = function_;
  function_ = &inner;
  const auto back = [&] { function_ = inner.outer; };
  Code body;
  try {
    inner.depth = 1;
    for (const std::string& parameter : node.names) declare(parameter, node);
    const Node& what = *node.kids[0];
    if (what.type == NodeType::kBlock) {
      body = statement(what);
      const bool returns = !what.kids.empty() && what.kids.back()->type == NodeType::kReturn;
      if (!returns) append(body, made(node, Op::kNull, Op::kReturn));
    } else {
      body = value(what);
      append(body, made(node, Op::kReturn));
    }
  } catch (...) {
    back();
    throw;
  }
  back();
  Code out = made(node, Op::kCallable, name, static_cast<double>(node.names.size()),
                  static_cast<double>(inner.upvalues.size()), size_of(body));
  append(out, std::move(body));
  append(out, made(node, Op::kClosure, static_cast<double>(inner.upvalues.size())));
  for (const Captured& upvalue : inner.upvalues) {
    append(out, made(node, upvalue.is_local, static_cast<double>(upvalue.index)));
  }
  return out;
}

Code Compiler::function(const Node& node) {
  declare(node.text, node);  // before its body, which may call it
  return callable(node.text, node);
}

Code Compiler::try_statement(const Node& node) {
  const auto catches = static_cast<size_t>(node.number);
  if (node.kids.size() > 1 + catches) fail("'finally' is not part of Hog", *node.kids.back());
  if (catches == 0) fail("A 'try' needs a 'catch'", node);
  Code body = statement(*node.kids[0]);
  open_scope();
  const int error = declare("e", node);
  const int type = declare("type", node);
  Code handler =
      made(node, Op::kGetLocal, static_cast<double>(error), Op::kString, "type", Op::kGetProperty);
  std::vector<Code> clauses;
  for (size_t i = 0; i < catches; i++) {
    const std::string& variable = node.names[2 * i];
    const std::string& wanted = node.names[2 * i + 1];
    const Node& what = *node.kids[1 + i];
    Code clause, run;
    open_scope();
    function_->locals[static_cast<size_t>(error)].unasked = variable != "e";
    function_->locals[static_cast<size_t>(type)].unasked = true;
    if (!variable.empty() && variable != "e") {
      declare(variable, what);
      run = made(what, Op::kGetLocal, static_cast<double>(error));
    }
    append(run, statement(what));
    append(run, close_scope());
    if (!wanted.empty() && wanted != "Error") {
      clause = made(what, Op::kString, wanted, Op::kGetLocal, static_cast<double>(type), Op::kEq,
                    Op::kJumpIfFalse, size_of(run) + 2);
    }
    append(clause, std::move(run));
    append(clause, made(what, Op::kJump, 0.0));  // to the end: known below
    clauses.push_back(std::move(clause));
  }
  double behind = 2;  // POP, THROW
  for (size_t i = clauses.size(); i-- > 0;) {
    clauses[i].back().number = behind;
    behind += size_of(clauses[i]);
  }
  for (Code& clause : clauses) append(handler, std::move(clause));
  append(handler, made(node, Op::kPop, Op::kThrow));
  append(handler, close_scope());
  Code out = made(node, Op::kTry, size_of(body) + 4);
  append(out, std::move(body));
  append(out, made(node, Op::kPopTry, Op::kJump, size_of(handler)));
  append(out, std::move(handler));
  return out;
}

Code Compiler::statement(const Node& node) {
  at_ = node.begin;
  switch (node.type) {
    case NodeType::kBlock: return block(node);
    case NodeType::kDeclaration: return declaration(node);
    case NodeType::kAssignment: return assignment(node);
    case NodeType::kExpression: {
      const Node& what = *node.kids[0];
      if (what.type == NodeType::kCompare && what.text == "==" && !what.flag &&
          what.kids[0]->type == NodeType::kField) {
        warnings.push_back(
            diagnostic("You must use ':=' for assignment instead of '='; this only compares",
                       node.begin, node.end));
      }
      Code out = value(what);
      append(out, made(node, Op::kPop));
      return out;
    }
    case NodeType::kReturn: {
      Code out = node.kids.empty() ? made(node, Op::kNull) : value(*node.kids[0]);
      append(out, made(node, Op::kReturn));
      return out;
    }
    case NodeType::kThrow: {
      Code out = value(*node.kids[0]);
      append(out, made(node, Op::kThrow));
      return out;
    }
    case NodeType::kIf: return if_statement(node);
    case NodeType::kWhile: return while_statement(node);
    case NodeType::kFor: return for_statement(node);
    case NodeType::kForIn: return for_in(node);
    case NodeType::kFunction: return function(node);
    case NodeType::kTry: return try_statement(node);
    default: fail("This is not a statement of Hog", node);
  }
}

}  // namespace penstock::hog
