#include "apps/script/vm_functions.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/script/domain.h"
#include "apps/script/intl.h"
#include "apps/script/intl_words.h"
#include "apps/script/transpile.h"
#include "apps/script/vm.h"
#include "apps/script/vm_crypto.h"
#include "assets/assets.h"
#include "base/base64.h"
#include "base/json_writer.h"

namespace penstock::apps {

/// Has access to what of a Vm the functions need.
struct VmFunctions {
  static const VmLimits& limits(const Vm& vm) { return vm.limits_; }
};

namespace {

constexpr size_t kUnzippedMax = 32U << 20;
constexpr int kRandomMax = 65536;

Vm& vm_of(JSContext* context) { return *static_cast<Vm*>(JS_GetContextOpaque(context)); }

/// The bytes of an ArrayBuffer, or of the part of one that two more arguments name.
std::string_view bytes_of(JSContext* context, int argc, JSValueConst* argv, int at) {
  if (at >= argc || !JS_IsObject(argv[at])) return {};
  size_t size = 0;
  const uint8_t* data = JS_GetArrayBuffer(context, &size, argv[at]);
  if (data == nullptr) {
    JS_FreeValue(context, JS_GetException(context));
    return {};
  }
  int64_t from = 0, count = static_cast<int64_t>(size);
  if (at + 2 < argc) {
    JS_ToInt64(context, &from, argv[at + 1]);
    JS_ToInt64(context, &count, argv[at + 2]);
  }
  const auto all = static_cast<int64_t>(size);
  from = std::clamp<int64_t>(from, 0, all);
  count = std::clamp<int64_t>(count, 0, all - from);
  return {reinterpret_cast<const char*>(data) + from, static_cast<size_t>(count)};
}

JSValue new_bytes(JSContext* context, std::string_view bytes) {
  return JS_NewArrayBufferCopy(context, reinterpret_cast<const uint8_t*>(bytes.data()),
                               bytes.size());
}

JSValue new_string(JSContext* context, std::string_view text) {
  return JS_NewStringLen(context, text.data(), text.size());
}

std::string text_at(JSContext* context, int argc, JSValueConst* argv, int at) {
  return at < argc ? text_of(context, argv[at]) : std::string();
}

JSValue log(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  Vm& vm = vm_of(context);
  if (!vm.may_log()) return kUndefined;
  int32_t level = 1;
  if (argc > 0) JS_ToInt32(context, &level, argv[0]);
  std::string message = text_at(context, argc, argv, 1);
  const size_t max = VmFunctions::limits(vm).log_bytes;
  if (message.size() > max) message.resize(max);
  const bool plugin = argc > 2 && JS_ToBool(context, argv[2]) == 1;
  vm.host().log(vm, plugin ? LogEntry::Source::kPlugin : LogEntry::Source::kConsole,
                static_cast<LogEntry::Level>(std::clamp(level, 0, 4)), std::move(message));
  return kUndefined;
}

JSValue metric(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  double value = 0;
  if (argc > 2) JS_ToFloat64(context, &value, argv[2]);
  Vm& vm = vm_of(context);
  vm.host().metric(vm, text_at(context, argc, argv, 0), text_at(context, argc, argv, 1), value);
  return kUndefined;
}

JSValue locate(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string place = vm_of(context).host().locate(text_at(context, argc, argv, 0));
  return place.empty() ? kNull : parse_json(context, place).release();
}

JSValue call(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  return vm_of(context).call_host(text_at(context, argc, argv, 0), text_at(context, argc, argv, 1),
                                  std::string(bytes_of(context, std::min(argc, 3), argv, 2)));
}

JSValue timer(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  if (argc < 2 || JS_IsFunction(context, argv[1]) == 0) {
    return JS_ThrowTypeError(context, "a timer needs a function");
  }
  double ms = 0;
  JS_ToFloat64(context, &ms, argv[0]);
  const uint64_t id = vm_of(context).add_timer(ms, argv[1]);
  if (id == 0) return JS_ThrowRangeError(context, "too many timers");
  return JS_NewInt64(context, static_cast<int64_t>(id));
}

JSValue cancel(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  int64_t id = 0;
  if (argc > 0) JS_ToInt64(context, &id, argv[0]);
  vm_of(context).cancel_timer(static_cast<uint64_t>(id));
  return kUndefined;
}

JSValue has_file(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const bool there = vm_of(context).spec().files.contains(text_at(context, argc, argv, 0));
  return there ? kTrue : kFalse;
}

/// A file as the engine runs it; with a second argument as it was written.
JSValue source(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string path = text_at(context, argc, argv, 0);
  const auto& files = vm_of(context).spec().files;
  const auto found = files.find(path);
  if (found == files.end()) return kUndefined;
  const bool raw = argc > 1 && JS_ToBool(context, argv[1]) == 1;
  if (raw || path.ends_with(".json")) return new_string(context, found->second);
  std::string text = found->second;
  // A line for a shell is a comment: files are compiled inside of functions.
  if (text.starts_with("#!")) text.replace(0, 2, "//");
  if (!needs_transpiling(path, text)) return new_string(context, text);
  const auto code = transpile(path, text);
  if (!code) return JS_ThrowSyntaxError(context, "%s", code.error().message.c_str());
  return new_string(context, *code);
}

JSValue evaluate(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string code = text_at(context, argc, argv, 0);
  const std::string name = text_at(context, argc, argv, 1);
  return JS_Eval(context, code.c_str(), code.size(), name.c_str(), JS_EVAL_TYPE_GLOBAL);
}

JSValue spec(JSContext* context, JSValueConst, int, JSValueConst*) {
  const VmSpec& spec = vm_of(context).spec();
  const auto main = spec.main.empty() ? main_file(spec.files) : Result<std::string>(spec.main);
  if (!main) return JS_ThrowSyntaxError(context, "%s", main.error().message.c_str());
  JsonWriter w;
  w.begin_object().field("config_id", spec.config).field("plugin_id", spec.plugin);
  w.field("name", spec.name).field("token", spec.token).field("site_url", spec.site_url);
  w.key("team_id");
  if (spec.project == 0) {
    w.null();
  } else {
    w.number(spec.project);
  }
  w.field("main", *main).key("config").raw(spec.config_json);
  if (spec.only_compile) {
    w.key("only_compile").begin_array();
    for (const auto& [path, text] : spec.files) w.string(path);
    w.end_array();
  }
  w.end_object();
  return parse_json(context, w.take()).release();
}

JSValue attachments(JSContext* context, JSValueConst, int, JSValueConst*) {
  Js list(context, JS_NewArray(context));
  uint32_t at = 0;
  for (const auto& [key, attachment] : vm_of(context).spec().attachments) {
    Js row(context, JS_NewArray(context));
    uint32_t column = 0;
    for (const std::string* text : {&key, &attachment.content_type, &attachment.file_name}) {
      JS_SetPropertyUint32(context, row.get(), column++, new_string(context, *text));
    }
    JS_SetPropertyUint32(context, row.get(), column, new_bytes(context, attachment.contents));
    JS_SetPropertyUint32(context, list.get(), at++, row.release());
  }
  return list.release();
}

JSValue encode_text(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  return new_bytes(context, text_at(context, argc, argv, 0));
}

JSValue decode_text(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  return new_string(context, bytes_of(context, argc, argv, 0));
}

JSValue base64(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string_view bytes = bytes_of(context, argc, argv, 0);
  return new_string(context, penstock::base64(bytes));
}

JSValue unbase64(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  return new_bytes(context, penstock::unbase64(text_at(context, argc, argv, 0)));
}

JSValue random(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  int32_t size = 0;
  if (argc > 0) JS_ToInt32(context, &size, argv[0]);
  if (size < 0 || size > kRandomMax) return JS_ThrowRangeError(context, "too many random bytes");
  std::string out(static_cast<size_t>(size), '\0');
  vm_of(context).host().fill_random(out);
  return new_bytes(context, out);
}

/// 15 bits of window; +16 gzip, +32 gzip or zlib, negative: raw deflate.
int window_of(const std::string& format) {
  if (format == "gzip") return 15 + 16;
  if (format == "any") return 15 + 32;
  return format == "raw" ? -15 : 15;
}

/// bytes, format, level (-1: as usual)
JSValue zip(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string_view bytes = bytes_of(context, std::min(argc, 1), argv, 0);
  const std::string format = text_at(context, argc, argv, 1);
  int32_t level = -1;
  if (argc > 2) JS_ToInt32(context, &level, argv[2]);
  if (format == "brotli") {
    constexpr int kQuality = 6;  // the best takes a hundred times as long
    size_t size = BrotliEncoderMaxCompressedSize(bytes.size()) + 32;
    std::string out(size, '\0');
    const int quality = level < 0 ? kQuality : std::clamp(level, BROTLI_MIN_QUALITY, 9);
    const int done =
        BrotliEncoderCompress(quality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, bytes.size(),
                              reinterpret_cast<const uint8_t*>(bytes.data()), &size,
                              reinterpret_cast<uint8_t*>(out.data()));
    out.resize(size);
    return done != 0 ? new_bytes(context, out) : JS_ThrowInternalError(context, "cannot compress");
  }
  z_stream stream{};
  if (deflateInit2(&stream, std::clamp(level, -1, 9), Z_DEFLATED, window_of(format), 8,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return JS_ThrowInternalError(context, "cannot compress");
  }
  std::string out(deflateBound(&stream, bytes.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int done = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return done == Z_STREAM_END ? new_bytes(context, out)
                              : JS_ThrowInternalError(context, "cannot compress");
}

/// Null: it is not what was compressed, or it is more than may come out.
std::optional<std::string> unbrotli(std::string_view bytes) {
  BrotliDecoderState* state = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
  std::string out;
  std::array<uint8_t, 65536> piece;
  size_t left = bytes.size();
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
  BrotliDecoderResult result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
  while (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT && out.size() <= kUnzippedMax) {
    size_t room = piece.size();
    uint8_t* to = piece.data();
    result = BrotliDecoderDecompressStream(state, &left, &in, &room, &to, nullptr);
    out.append(reinterpret_cast<const char*>(piece.data()), piece.size() - room);
  }
  BrotliDecoderDestroyInstance(state);
  if (result != BROTLI_DECODER_RESULT_SUCCESS && out.size() <= kUnzippedMax) return std::nullopt;
  return out;
}

JSValue unzip(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string_view bytes = bytes_of(context, std::min(argc, 1), argv, 0);
  const std::string format = text_at(context, argc, argv, 1);
  std::string out;
  if (format == "brotli") {
    auto plain = unbrotli(bytes);
    if (!plain) return JS_ThrowTypeError(context, "Decompression failed");
    out = std::move(*plain);
  } else {
    z_stream stream{};
    if (inflateInit2(&stream, window_of(format)) != Z_OK) {
      return JS_ThrowInternalError(context, "cannot decompress");
    }
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    std::array<char, 65536> piece;
    int state = Z_OK;
    while (state == Z_OK && out.size() <= kUnzippedMax) {
      stream.next_out = reinterpret_cast<Bytef*>(piece.data());
      stream.avail_out = piece.size();
      state = inflate(&stream, Z_NO_FLUSH);
      out.append(piece.data(), piece.size() - stream.avail_out);
    }
    inflateEnd(&stream);
    if (state == Z_DATA_ERROR) return JS_ThrowTypeError(context, "incorrect header check");
    if (state != Z_STREAM_END && out.size() <= kUnzippedMax) {
      return JS_ThrowTypeError(context, "unexpected end of file");
    }
  }
  if (out.size() > kUnzippedMax) return JS_ThrowRangeError(context, "too large decompressed");
  return new_bytes(context, out);
}

/// A domain's name as it is asked for; undefined: it is none.
JSValue ascii(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const auto name = domain_to_ascii(text_at(context, argc, argv, 0));
  return name ? new_string(context, *name) : kUndefined;
}

/// A script that comes with Penstock, evaluated: the prelude's own parts.
JSValue part(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string name = text_at(context, argc, argv, 0);
  const std::string code(assets::find_script(name));
  if (code.empty()) return JS_ThrowReferenceError(context, "no part %s", name.c_str());
  return JS_Eval(context, code.c_str(), code.size(), "<penstock>",
                 JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_STRICT);
}

/// [type, text] of each part, or a RangeError.
JSValue parts_of(JSContext* context, const Result<IntlParts>& parts) {
  if (!parts) return JS_ThrowRangeError(context, "%s", parts.error().message.c_str());
  JsonWriter w;
  w.begin_array();
  for (const auto& [type, text] : *parts) w.begin_array().string(type).string(text).end_array();
  return parse_json(context, w.end_array().take()).release();
}

double number_at(JSContext* context, int argc, JSValueConst* argv, int at) {
  double value = 0;
  if (at < argc) JS_ToFloat64(context, &value, argv[at]);
  return value;
}

JSValue number_parts(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  return parts_of(context,
                  format_number(text_at(context, argc, argv, 0), text_at(context, argc, argv, 1),
                                number_at(context, argc, argv, 2)));
}

JSValue date_parts(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  return parts_of(context,
                  format_date(text_at(context, argc, argv, 0), text_at(context, argc, argv, 1),
                              number_at(context, argc, argv, 2)));
}

JSValue text_or_range_error(JSContext* context, const Result<std::string>& text) {
  if (!text) return JS_ThrowRangeError(context, "%s", text.error().message.c_str());
  return new_string(context, *text);
}

/// locale, options, two words
JSValue compare(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const auto order =
      compare_words(text_at(context, argc, argv, 0), text_at(context, argc, argv, 1),
                    text_at(context, argc, argv, 2), text_at(context, argc, argv, 3));
  if (!order) return JS_ThrowRangeError(context, "%s", order.error().message.c_str());
  return JS_NewInt32(context, *order);
}

JSValue name_of(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  return text_or_range_error(
      context, display_name(text_at(context, argc, argv, 0), text_at(context, argc, argv, 1),
                            text_at(context, argc, argv, 2)));
}

JSValue plural(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  return text_or_range_error(
      context, plural_of(text_at(context, argc, argv, 0), text_at(context, argc, argv, 1),
                         number_at(context, argc, argv, 2)));
}

JSValue ago(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  return text_or_range_error(
      context, relative_time(text_at(context, argc, argv, 0), text_at(context, argc, argv, 1),
                             number_at(context, argc, argv, 2), text_at(context, argc, argv, 3)));
}

/// locale, options, words …
JSValue list(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  std::vector<std::string> words;
  for (int i = 2; i < argc; i++) words.push_back(text_at(context, argc, argv, i));
  return text_or_range_error(context, list_of_words(text_at(context, argc, argv, 0),
                                                    text_at(context, argc, argv, 1), words));
}

}  // namespace

Js make_natives(JSContext* context, Vm&) {
  struct Native {
    const char* name;
    JSCFunction* function;
    int arguments;
  };
  constexpr std::array<Native, 27> kNatives{{{"log", log, 3},
                                             {"metric", metric, 3},
                                             {"locate", locate, 1},
                                             {"call", call, 3},
                                             {"timer", timer, 2},
                                             {"cancel", cancel, 1},
                                             {"source", source, 2},
                                             {"has", has_file, 1},
                                             {"evaluate", evaluate, 2},
                                             {"spec", spec, 0},
                                             {"attachments", attachments, 0},
                                             {"encode", encode_text, 1},
                                             {"decode", decode_text, 3},
                                             {"base64", base64, 3},
                                             {"unbase64", unbase64, 1},
                                             {"ascii", ascii, 1},
                                             {"part", part, 1},
                                             {"random", random, 1},
                                             {"zip", zip, 3},
                                             {"unzip", unzip, 2},
                                             {"number", number_parts, 3},
                                             {"date", date_parts, 3},
                                             {"compare", compare, 4},
                                             {"display_name", name_of, 3},
                                             {"plural", plural, 3},
                                             {"ago", ago, 4},
                                             {"list", list, 2}}};
  Js object(context, JS_NewObject(context));
  for (const Native& native : kNatives) {
    JS_SetPropertyStr(context, object.get(), native.name,
                      JS_NewCFunction(context, native.function, native.name, native.arguments));
  }
  add_crypto(context, object.get());
  return object;
}

}  // namespace penstock::apps
