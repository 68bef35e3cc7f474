#include "apps/script/vm_functions.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <string>

#include "apps/script/transpile.h"
#include "apps/script/vm.h"
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

JSValue source(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string path = text_at(context, argc, argv, 0);
  const auto& files = vm_of(context).spec().files;
  const auto found = files.find(path);
  if (found == files.end()) return kUndefined;
  if (path.ends_with(".json") || !needs_transpiling(path, found->second)) {
    return new_string(context, found->second);
  }
  const auto code = transpile(path, found->second);
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
  const auto main = main_file(spec.files);
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
  w.field("main", *main).key("config").raw(spec.config_json).end_object();
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

const EVP_MD* digest_of(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::erase(name, '-');
  return EVP_get_digestbyname(name.c_str());
}

JSValue hash(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const EVP_MD* digest = digest_of(text_at(context, argc, argv, 0));
  if (digest == nullptr) return JS_ThrowTypeError(context, "Digest method not supported");
  const std::string_view bytes = bytes_of(context, std::min(argc, 2), argv, 1);
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, digest, nullptr);
  return JS_NewArrayBufferCopy(context, out.data(), size);
}

JSValue hmac(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const EVP_MD* digest = digest_of(text_at(context, argc, argv, 0));
  if (digest == nullptr) return JS_ThrowTypeError(context, "Invalid digest");
  const std::string_view key = bytes_of(context, std::min(argc, 2), argv, 1);
  const std::string_view bytes = bytes_of(context, std::min(argc, 3), argv, 2);
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  // A null key would mean "the one before".
  HMAC(digest, key.empty() ? "" : key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), out.data(), &size);
  return JS_NewArrayBufferCopy(context, out.data(), size);
}

JSValue random(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  int32_t size = 0;
  if (argc > 0) JS_ToInt32(context, &size, argv[0]);
  if (size < 0 || size > kRandomMax) return JS_ThrowRangeError(context, "too many random bytes");
  std::string out(static_cast<size_t>(size), '\0');
  vm_of(context).host().fill_random(out);
  return new_bytes(context, out);
}

/// 15 bits of window; +16 gzip, negative: raw deflate.
int window_of(const std::string& format) {
  if (format == "gzip") return 15 + 16;
  return format == "raw" ? -15 : 15;
}

JSValue zip(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string_view bytes = bytes_of(context, std::min(argc, 1), argv, 0);
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                   window_of(text_at(context, argc, argv, 1)), 8, Z_DEFAULT_STRATEGY) != Z_OK) {
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

JSValue unzip(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string_view bytes = bytes_of(context, std::min(argc, 1), argv, 0);
  z_stream stream{};
  if (inflateInit2(&stream, window_of(text_at(context, argc, argv, 1))) != Z_OK) {
    return JS_ThrowInternalError(context, "cannot decompress");
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  std::array<char, 65536> piece;
  int state = Z_OK;
  while (state == Z_OK && out.size() <= kUnzippedMax) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (out.size() > kUnzippedMax) return JS_ThrowRangeError(context, "too large decompressed");
  if (state != Z_STREAM_END) return JS_ThrowTypeError(context, "unexpected end of file");
  return new_bytes(context, out);
}

}  // namespace

Js make_natives(JSContext* context, Vm&) {
  struct Native {
    const char* name;
    JSCFunction* function;
    int arguments;
  };
  constexpr std::array<Native, 19> kNatives{{{"log", log, 3},
                                             {"metric", metric, 3},
                                             {"locate", locate, 1},
                                             {"call", call, 3},
                                             {"timer", timer, 2},
                                             {"cancel", cancel, 1},
                                             {"source", source, 1},
                                             {"evaluate", evaluate, 2},
                                             {"spec", spec, 0},
                                             {"attachments", attachments, 0},
                                             {"encode", encode_text, 1},
                                             {"decode", decode_text, 3},
                                             {"base64", base64, 3},
                                             {"unbase64", unbase64, 1},
                                             {"hash", hash, 2},
                                             {"hmac", hmac, 3},
                                             {"random", random, 1},
                                             {"zip", zip, 2},
                                             {"unzip", unzip, 2}}};
  Js object(context, JS_NewObject(context));
  for (const Native& native : kNatives) {
    JS_SetPropertyStr(context, object.get(), native.name,
                      JS_NewCFunction(context, native.function, native.name, native.arguments));
  }
  return object;
}

}  // namespace penstock::apps
