#include "apps/script/transpile.h"

#include <array>
#include <list>
#include <memory>
#include <utility>

#include "apps/script/js.h"
#include "assets/assets.h"

namespace penstock::apps {
namespace {

constexpr size_t kKeptMax = 16;
constexpr size_t kMemoryMax = 256U << 20;
constexpr size_t kStackMax = 4U << 20;

/// A default import is the module itself, unless the module says that it was written with exports;
/// so is a whole one. Declared last, these are the ones that count.
constexpr std::string_view kInterop =
    "\n;function _interopRequireDefault(m) { return m && m.__esModule ? m : { default: m }; }"
    "function _interopRequireWildcard(m) { return m; }\n";

bool has_statement(std::string_view source, std::string_view word) {
  for (size_t at = source.find(word); at != std::string_view::npos;
       at = source.find(word, at + 1)) {
    size_t line = at;
    while (line > 0 && (source[line - 1] == ' ' || source[line - 1] == '\t')) line--;
    const bool begins = line == 0 || source[line - 1] == '\n' || source[line - 1] == ';' ||
                        source[line - 1] == '}' || source[line - 1] == '\r';
    const size_t end = at + word.size();
    const bool ends = end < source.size() &&
                      std::string_view(" \t\n{*'\"(").find(source[end]) != std::string_view::npos;
    if (begins && ends) return true;
  }
  return false;
}

struct Runtime {
  Runtime() : runtime(JS_NewRuntime()), context(JS_NewContext(runtime)) {
    JS_SetMemoryLimit(runtime, kMemoryMax);
    JS_SetMaxStackSize(runtime, kStackMax);
  }
  ~Runtime() {
    JS_FreeContext(context);
    JS_FreeRuntime(runtime);
  }
  JSRuntime* runtime;
  JSContext* context;
};

Result<std::string> run(std::string_view file, std::string_view source) {
  const Runtime own;
  JSContext* context = own.context;
  const std::string code(assets::find_script("sucrase.js"));
  const Js sucrase(context,
                   JS_Eval(context, code.c_str(), code.size(), "sucrase.js", JS_EVAL_TYPE_GLOBAL));
  const std::string more(assets::find_script("typescript.js"));
  const Js made(context,
                JS_Eval(context, more.c_str(), more.size(), "typescript.js", JS_EVAL_TYPE_GLOBAL));
  std::array<JSValue, 1> of{sucrase.get()};
  const Js function(context, JS_Call(context, made.get(), kUndefined, 1, of.data()));
  std::string wanted = R"({"transforms":["typescript","imports"],"disableESTransforms":true})";
  if (file.ends_with(".tsx") || file.ends_with(".jsx")) {
    wanted = R"({"transforms":["typescript","jsx","imports"],)"
             R"("disableESTransforms":true,"production":true})";
  }
  const Js text = new_text(context, source);
  const Js options = parse_json(context, wanted);
  const bool typed = file.ends_with(".ts") || file.ends_with(".tsx");
  std::array<JSValue, 3> arguments{text.get(), options.get(), typed ? kTrue : kFalse};
  const Js result(context, JS_Call(context, function.get(), kUndefined, 3, arguments.data()));
  if (result.is_exception()) {
    const Js error(context, JS_GetException(context));
    return fail(Code::kInvalid, std::string(file) + ": " + text_of(context, error.get()));
  }
  return text_of(context, result.get()) + std::string(kInterop);
}

}  // namespace

bool needs_transpiling(std::string_view file, std::string_view source) {
  for (const char* end : {".ts", ".tsx", ".jsx", ".mjs"}) {
    if (file.ends_with(end)) return true;
  }
  return has_statement(source, "import") || has_statement(source, "export");
}

Result<std::string> transpile(std::string_view file, std::string_view source) {
  static thread_local std::list<std::pair<std::string, std::string>> kept;
  const std::string key = std::string(file) + '\0' + std::string(source);
  for (auto at = kept.begin(); at != kept.end(); ++at) {
    if (at->first != key) continue;
    kept.splice(kept.begin(), kept, at);
    return at->second;
  }
  PENSTOCK_TRY(std::string out, run(file, source));
  kept.emplace_front(key, out);
  if (kept.size() > kKeptMax) kept.pop_back();
  return out;
}

}  // namespace penstock::apps
