// Syntax tree to bytecode. Private to the room. Throws SyntaxError.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hog/compiler.h"
#include "hog/syntax/ast.h"
#include "hog/syntax/token.h"

namespace penstock::hog {

using Code = std::vector<Slot>;

class Compiler {
 public:
  Compiler(std::string_view source, const CompileOptions& options);

  Code program(const Node& node);
  Code expression(const Node& node);
  /// The statements of a function whose parameters are on the stack: the library's own functions.
  Code function_body(const Node& program, const std::vector<std::string>& parameters);

  std::vector<Diagnostic> warnings, unknown_functions;

  /// A place in the source as people count.
  Diagnostic diagnostic(std::string message, size_t begin, size_t end) const;

 private:
  struct Local {
    std::string name;
    int depth;
    bool captured = false;
    bool unasked = false;  // a catch has it, and nobody has written it
  };
  struct Captured {
    bool is_local;
    int index;
  };
  struct Function {
    Function* outer = nullptr;
    std::vector<Local> locals;
    std::vector<Captured> upvalues;
    int depth = 0;
  };

  // statements.cc
  Code statement(const Node& node);
  Code statements(const std::vector<NodePtr>& list);
  Code block(const Node& node);
  Code declaration(const Node& node);
  Code assignment(const Node& node);
  Code if_statement(const Node& node);
  Code while_statement(const Node& node);
  Code for_statement(const Node& node);
  Code for_in(const Node& node);
  Code function(const Node& node);
  Code try_statement(const Node& node);
  Code callable(const std::string& name, const Node& node);

  // expressions
  Code value(const Node& node);
  Code values(const std::vector<NodePtr>& list);
  Code constant(const Node& node);
  Code field(const Node& node);
  Code call(const Node& node);
  Code call_by_name(const Node& node);
  Code conditional(const Node& condition, const Node& yes, const Code& no);
  Code between(const Node& node);
  Code comparison(const Node& node);
  Code tag(const Node& node);
  Code access(const Node& node);

  // sql.cc
  Code sql(const Node& node);
  Code sql_value(const Node& node);
  Code sql_list(const std::vector<NodePtr>& list);
  Code sql_node(std::string_view name,
                const std::vector<std::pair<std::string_view, Code>>& fields);

  // scopes
  void open_scope() { function_->depth++; }
  Code close_scope();
  int declare(const std::string& name, const Node& where);
  static int find_local(const Function& function, std::string_view name);
  int find_upvalue(Function& function, std::string_view name);
  static int capture(Function& function, bool is_local, int index);
  /// Warns of a variable that a catch hides.
  void look_at_local(int local);
  /// False: a global.
  bool load(std::string_view name, Code& code);

  void emit(Code& code, Slot slot) const;
  template <typename... Slots>
  Code made(const Node& node, Slots... slots) {
    const size_t before = at_;
    at_ = node.begin;
    Code out;
    (emit(out, Slot::of(slots)), ...);
    at_ = before;
    return out;
  }
  SourcePlace place_of(size_t byte) const;
  [[noreturn]] static void fail(std::string message, const Node& node);

  std::string_view source_;
  const CompileOptions& options_;
  std::vector<size_t> lines_;  // where each begins
  Function root_;
  Function* function_ = &root_;
  size_t at_ = 0;
};

inline void append(Code& to, Code more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}
inline double size_of(const Code& code) { return static_cast<double>(code.size()); }

}  // namespace penstock::hog
