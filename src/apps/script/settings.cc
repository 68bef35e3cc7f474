#include "apps/script/settings.h"

#include "base/codec.h"
#include "event/json_fields.h"

namespace penstock::apps {

void encode(const VmSpec& spec, std::string& out) {
  ByteWriter w(out);
  w.i64(spec.config);
  w.i64(spec.plugin);
  w.i64(spec.project);
  w.i64(spec.version);
  for (const std::string* text :
       {&spec.name, &spec.token, &spec.config_json, &spec.site_url, &spec.main}) {
    w.bytes(*text);
  }
  w.varint(spec.files.size());
  for (const auto& [path, content] : spec.files) {
    w.bytes(path);
    w.bytes(content);
  }
  w.varint(spec.attachments.size());
  for (const auto& [key, attachment] : spec.attachments) {
    w.bytes(key);
    w.bytes(attachment.content_type);
    w.bytes(attachment.file_name);
    w.bytes(attachment.contents);
  }
  w.u8(spec.only_compile ? 1 : 0);
}

bool decode(std::string_view text, VmSpec& spec) {
  ByteReader r(text);
  spec.config = r.i64();
  spec.plugin = r.i64();
  spec.project = r.i64();
  spec.version = r.i64();
  for (std::string* out :
       {&spec.name, &spec.token, &spec.config_json, &spec.site_url, &spec.main}) {
    *out = r.bytes();
  }
  for (uint64_t n = r.varint(); n > 0 && r.ok(); n--) {
    std::string path(r.bytes());
    spec.files.insert_or_assign(std::move(path), std::string(r.bytes()));
  }
  for (uint64_t n = r.varint(); n > 0 && r.ok(); n--) {
    Attachment& attachment = spec.attachments[std::string(r.bytes())];
    attachment.content_type = r.bytes();
    attachment.file_name = r.bytes();
    attachment.contents = r.bytes();
  }
  spec.only_compile = r.u8() != 0;
  return r.ok() && r.at_end();
}

void encode(const VmLimits& limits, std::string& out) {
  ByteWriter w(out);
  for (const uint64_t v :
       {limits.memory_bytes, static_cast<uint64_t>(limits.cpu_ms),
        static_cast<uint64_t>(limits.load_cpu_ms), static_cast<uint64_t>(limits.task_ms),
        limits.event_bytes, limits.stack_bytes, uint64_t{limits.host_calls},
        uint64_t{limits.timers}, uint64_t{limits.logs_per_second}, uint64_t{limits.log_bytes},
        static_cast<uint64_t>(limits.event_cpu_ms), uint64_t{limits.shared ? 1U : 0U}}) {
    w.varint(v);
  }
}

bool decode(std::string_view text, VmLimits& limits) {
  ByteReader r(text);
  limits.memory_bytes = r.varint();
  limits.cpu_ms = static_cast<int64_t>(r.varint());
  limits.load_cpu_ms = static_cast<int64_t>(r.varint());
  limits.task_ms = static_cast<int64_t>(r.varint());
  limits.event_bytes = r.varint();
  limits.stack_bytes = r.varint();
  limits.host_calls = static_cast<uint32_t>(r.varint());
  limits.timers = static_cast<uint32_t>(r.varint());
  limits.logs_per_second = static_cast<uint32_t>(r.varint());
  limits.log_bytes = static_cast<uint32_t>(r.varint());
  limits.event_cpu_ms = static_cast<int64_t>(r.varint());
  limits.shared = r.varint() != 0;
  return r.ok() && r.at_end();
}

Result<std::string> main_file(const std::map<std::string, std::string>& files) {
  std::string named;
  if (const auto found = files.find("plugin.json"); found != files.end()) {
    auto manifest = event::JsonFields::parse(found->second);
    if (!manifest) return fail(Code::kInvalid, "plugin.json is not valid JSON");
    const auto main = manifest->find("main");
    if (main && event::json_type(*main) == event::JsonType::kString) {
      named = event::decode_string(*main);
      if (named.starts_with("./")) named.erase(0, 2);
    }
  }
  if (!named.empty()) return files.contains(named) ? named : std::string();
  for (const char* name : {"index.js", "index.ts", "index.tsx"}) {
    if (files.contains(name)) return std::string(name);
  }
  return std::string();
}

}  // namespace penstock::apps
