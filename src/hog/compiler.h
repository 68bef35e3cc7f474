// The compiler: Hog source to Programs, input templates to Programs, source to tidy source.
//
// Emits byte for byte the layout that PostHog stores (contract/hog.md, section 4). Pure functions
// of their input, any thread. A mistake in the source is a Diagnostic with its place, never an
// exception; source is at most kSourceBytesMax long and nested at most 200 deep.
#pragma once

#include <expected>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hog/program.h"

namespace penstock::hog {

inline constexpr size_t kSourceBytesMax = 1 << 20;

struct Diagnostic {
  std::string message;
  SourcePlace place;    // line and column from 1, columns in characters
  uint32_t length = 1;  // characters it is about, on that line
  bool operator==(const Diagnostic&) const = default;
};

struct CompileOptions {
  /// Functions the host will have beside the library; calls of others are unknown_functions.
  std::set<std::string, std::less<>> functions;
};

struct Compiled {
  std::shared_ptr<const Program> program;
  std::vector<Diagnostic> warnings;
  /// Calls of functions that neither the library nor `functions` has. The program runs until it
  /// comes to one; whoever stores programs refuses them.
  std::vector<Diagnostic> unknown_functions;
};

/// A whole program.
std::expected<Compiled, Diagnostic> compile(std::string_view source,
                                            const CompileOptions& options = {});
/// One expression, without a return: what filters are.
std::expected<Compiled, Diagnostic> compile_expression(std::string_view source,
                                                       const CompileOptions& options = {});
/// An input template: text with {expressions}; exactly one expression gives its raw value.
std::expected<Compiled, Diagnostic> compile_template(std::string_view text,
                                                     const CompileOptions& options = {});

/// The same program, laid out the one way.
std::expected<std::string, Diagnostic> format_source(std::string_view source);
/// The syntax tree as JSON, with the names and shapes of PostHog's parser, without positions.
enum class Grammar : uint8_t { kProgram, kExpression, kTemplate };
std::expected<std::string, Diagnostic> syntax_json(std::string_view source, Grammar grammar);

/// For people: "file:line:column: message", the line and a caret below it.
std::string explained(std::string_view source, const Diagnostic& diagnostic,
                      std::string_view file = "");

}  // namespace penstock::hog
