// The syntax tree of Hog. Private to the room.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace penstock::hog {

enum class NodeType : uint8_t {
  // expressions; in brackets: what `kids` holds
  kNullConstant,
  kBoolConstant,    // flag
  kNumberConstant,  // number; flag: written as a float; text: as written
  kStringConstant,  // text
  kField,           // names
  kCall,            // text; [arguments]; params; flag: made by the parser, not written as a call
  kExprCall,        // [callee, arguments…]
  kArithmetic,      // text: the operator; [left, right]
  kCompare,         // text: the operator; [left, right]; flag: is null style
  kAnd,             // [terms]
  kOr,              // [terms]
  kNot,             // [operand]
  kBetween,         // flag: negated; [operand, low, high]
  kDict,            // [key, value, key, value…]
  kArray,           // [items]
  kTuple,           // [items]
  kArrayAccess,     // flag: nullish; [object, property]
  kTupleAccess,     // number: the index; flag: nullish; [object]
  kLambda,          // names: parameters; [body]
  kTag,             // text: kind; names: attributes; [their values]; children are a kArray
  kTypeCast,        // text: the type; [operand]
  kDistinct,        // is [not] distinct from; flag: negated; [left, right]
  kSqlNode,         // of a query (syntax/select.cc); text: node name; names and kids: its fields
  kSqlText,         // a field's text
  kSqlFlag,         // a field's boolean
  kSqlList,         // [items]
  kNothing,         // an absent field of a kSqlNode
  kPlaceholder,     // {expression} inside SQL; [expression]
  // statements
  kProgram,      // [statements]
  kBlock,        // [statements]
  kDeclaration,  // text: name; [value] or none
  kAssignment,   // [target, value]
  kExpression,   // [expression]
  kReturn,       // [value] or none
  kThrow,        // [value]
  kIf,           // [condition, then] or [condition, then, else]
  kWhile,        // [condition, body]
  kFor,          // [initializer, condition, increment, body]; kNothing where left out
  kForIn,        // names: [key,] value; [expression, body]
  kFunction,     // text: name; names: parameters; [body]
  kTry,          // names: per catch variable and type, "" for none; [body, catches…, finally]
                 // number: how many catches
};

struct Node {
  NodeType type = NodeType::kNothing;
  bool flag = false;
  bool has_params = false;
  double number = 0;
  std::string text;
  std::vector<std::string> names;
  std::vector<std::unique_ptr<Node>> kids;
  std::vector<std::unique_ptr<Node>> params;  // of a parametric call
  size_t begin = 0, end = 0;                  // in the source
};
using NodePtr = std::unique_ptr<Node>;

}  // namespace penstock::hog
