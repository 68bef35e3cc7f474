#include <algorithm>

#include "hog/compile/compiler.h"
#include "hog/syntax/parser.h"

namespace penstock::hog {
namespace {

Code with_header(Code body) {
  Code out = {Slot::of(std::string("_H")), Slot::of(1.0)};
  append(out, std::move(body));
  return out;
}

/// Runs one compilation and turns what is thrown into a Diagnostic.
template <typename Make>
std::expected<Compiled, Diagnostic> compiled(std::string_view source, const CompileOptions& options,
                                             Make make) {
  Compiler compiler(source, options);
  if (source.size() > kSourceBytesMax) {
    return std::unexpected(compiler.diagnostic("The source is longer than a mebibyte", 0, 0));
  }
  try {
    Code code = with_header(make(compiler));
    if (code.size() > Program::kSlotsMax) {
      return std::unexpected(compiler.diagnostic("The program is too long", 0, 0));
    }
    return Compiled{Program::from_slots(code), std::move(compiler.warnings),
                    std::move(compiler.unknown_functions)};
  } catch (const SyntaxError& error) {
    return std::unexpected(compiler.diagnostic(error.message, error.begin, error.end));
  }
}

}  // namespace

std::expected<Compiled, Diagnostic> compile(std::string_view source,
                                            const CompileOptions& options) {
  return compiled(source, options,
                  [&](Compiler& compiler) { return compiler.program(*Parser(source).program()); });
}

std::expected<Compiled, Diagnostic> compile_expression(std::string_view source,
                                                       const CompileOptions& options) {
  return compiled(source, options, [&](Compiler& compiler) {
    return compiler.expression(*Parser(source).whole_expression());
  });
}

std::expected<Compiled, Diagnostic> compile_template(std::string_view text,
                                                     const CompileOptions& options) {
  return compiled(text, options, [&](Compiler& compiler) {
    return compiler.expression(*Parser::whole_template(text));
  });
}

std::string explained(std::string_view source, const Diagnostic& diagnostic,
                      std::string_view file) {
  std::string out;
  if (!file.empty()) out.append(file).append(":");
  const SourcePlace& place = diagnostic.place;
  if (place.line == 0) return out + " " + diagnostic.message;
  out += std::to_string(place.line) + ":" + std::to_string(place.column) + ": " +
         diagnostic.message + "\n";
  size_t begin = 0;
  for (uint32_t line = 1; line < place.line && begin != std::string_view::npos; line++) {
    begin = source.find('\n', begin);
    if (begin != std::string_view::npos) begin++;
  }
  if (begin == std::string_view::npos) return out;
  const size_t end = source.find('\n', begin);
  std::string_view text = source.substr(begin, end == std::string_view::npos ? end : end - begin);
  if (text.ends_with('\r')) text.remove_suffix(1);
  const std::string number = std::to_string(place.line);
  out +=
      "  " + number + " | " + std::string(text) + "\n  " + std::string(number.size(), ' ') + " | ";
  // Tabs stay tabs, so that the caret stands below its character.
  uint32_t column = 1;
  for (size_t i = 0; i < text.size() && column < place.column; i++) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
    out += text[i] == '\t' ? '\t' : ' ';
    column++;
  }
  out.append(std::max<uint32_t>(1, diagnostic.length), '^');
  return out + "\n";
}

}  // namespace penstock::hog
