#include "catalog/app_manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "base/json_writer.h"
#include "catalog/settings/reader.h"

namespace penstock::catalog {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

constexpr SettingReader kManifest{"plugin.json"};
constexpr size_t kTextBytesMax = 2000;

bool is_never_read(std::string_view path) {
  return path.find("node_modules/") != std::string_view::npos || path.starts_with('.') ||
         path.find("/.") != std::string_view::npos || path.starts_with("__MACOSX/") ||
         path.ends_with(".d.ts");
}

Result<std::string> text_of(const JsonFields& from, std::string_view key) {
  const auto raw = from.find(key);
  if (!raw || is_null(*raw)) return std::string();
  PENSTOCK_TRY(std::string text, kManifest.text(*raw, key));
  if (text.size() > kTextBytesMax) {
    return kManifest.wrong(key, fmt::format("has up to {} bytes", kTextBytesMax));
  }
  return text;
}

Result<bool> flag_of(const JsonFields& from, std::string_view key) {
  const auto raw = from.find(key);
  if (!raw || is_null(*raw)) return false;
  return kManifest.boolean(*raw, key);
}

Result<std::vector<std::string>> choices_of(const JsonFields& field) {
  std::vector<std::string> out;
  const auto raw = field.find("choices");
  if (!raw || is_null(*raw)) return out;
  PENSTOCK_TRY(const auto items, kManifest.list(*raw, "choices", kAppFieldsMax));
  for (const std::string_view item : items) {
    // Hog's inputs have {"label", "value"}.
    if (json_type(item) == JsonType::kObject) {
      PENSTOCK_TRY(const auto choice, JsonFields::parse(item));
      const auto value = choice.find("value");
      if (value && json_type(*value) == JsonType::kString) {
        out.push_back(event::decode_string(*value));
      }
      continue;
    }
    PENSTOCK_TRY(out.emplace_back(), kManifest.text(item, "choices"));
  }
  return out;
}

/// Pairs [key, value].
Result<std::vector<std::pair<std::string, std::string>>> pairs_of(const JsonFields& field,
                                                                  std::string_view key) {
  std::vector<std::pair<std::string, std::string>> out;
  const auto raw = field.find(key);
  if (!raw || json_type(*raw) != JsonType::kArray) return out;
  PENSTOCK_TRY(const auto items, kManifest.list(*raw, key, kAppFieldsMax));
  for (const std::string_view item : items) {
    PENSTOCK_TRY(const auto pair, kManifest.list(item, key, 2));
    if (pair.size() != 2 || json_type(pair[0]) != JsonType::kString) {
      return kManifest.wrong(key, "is a list of [key, value]");
    }
    const bool text = json_type(pair[1]) == JsonType::kString;
    out.emplace_back(event::decode_string(pair[0]),
                     text ? event::decode_string(pair[1]) : std::string(pair[1]));
  }
  return out;
}

Result<AppField> field_of(const JsonFields& from) {
  AppField out;
  PENSTOCK_TRY(out.key, text_of(from, "key"));
  PENSTOCK_TRY(out.name, text_of(from, "name"));
  if (out.name.empty()) {
    PENSTOCK_TRY(out.name, text_of(from, "label"));
  }
  PENSTOCK_TRY(const std::string type, text_of(from, "type"));
  if (!type.empty()) out.type = type;
  PENSTOCK_TRY(out.choices, choices_of(from));
  if (const auto value = from.find("default"); value && !is_null(*value)) {
    out.default_json = std::string(*value);
  }
  PENSTOCK_TRY(out.required, flag_of(from, "required"));
  PENSTOCK_TRY(out.secret, flag_of(from, "secret"));
  PENSTOCK_TRY(out.required_if, pairs_of(from, "required_if"));
  return out;
}

/// As a list of objects that have their key, whichever of the two forms it came in.
Result<std::string> schema_as_list(std::string_view raw) {
  JsonWriter w;
  w.begin_array();
  size_t count = 0;
  if (json_type(raw) == JsonType::kArray) {
    PENSTOCK_TRY(const auto items, kManifest.list(raw, "config", kAppFieldsMax));
    for (const std::string_view item : items) {
      PENSTOCK_TRY(const auto field, kManifest.object(item, "config"));
      w.raw(field.text());
    }
    return w.end_array().take();
  }
  PENSTOCK_TRY(const auto members, kManifest.object(raw, "config"));
  for (const JsonFields::Field& m : members.fields()) {
    if (++count > kAppFieldsMax) return kManifest.wrong("config", "has too many fields");
    PENSTOCK_TRY(auto field, kManifest.object(m.value, m.key));
    if (!field.contains("key")) field.set_string("key", m.key);
    w.raw(field.text());
  }
  return w.end_array().take();
}

/// The members of a package.json that has them; what npm would refuse is nobody's mistake here.
JsonFields npm_manifest(const AppFiles& files) {
  const auto file = files.find(std::string_view("package.json"));
  if (file == files.end() || json_type(file->second) != JsonType::kObject) return {};
  return JsonFields::parse(file->second).value_or(JsonFields());
}

std::string npm_text(const JsonFields& package, std::string_view key) {
  const auto raw = package.find(key);
  if (!raw || json_type(*raw) != JsonType::kString) return {};
  std::string text = event::decode_string(*raw);
  if (text.size() > kTextBytesMax) text.clear();
  return text;
}

/// The file that a path means as Node reads one, with an extension or as a folder; empty: none.
std::string file_meant(std::string path, const AppFiles& files) {
  if (path.starts_with("./")) path.erase(0, 2);
  while (path.ends_with('/')) path.pop_back();
  for (const char* end : {"", ".js", ".ts", ".tsx", ".mjs", ".cjs", "/index.js", "/index.ts"}) {
    if (std::string file = path + end; files.contains(file)) return file;
  }
  return {};
}

bool is_code(std::string_view path) {
  for (const char* end : {".js", ".ts", ".tsx", ".jsx", ".mjs", ".cjs", ".hog"}) {
    if (path.ends_with(end)) return true;
  }
  return false;
}

/// PostHog's own rule first: plugin.json's main, else index. Packages without either are run by
/// what npm says of them, or by the only code in their root.
Result<std::string> main_of(const JsonFields& manifest, const JsonFields& npm,
                            const AppFiles& files) {
  PENSTOCK_TRY(std::string main, text_of(manifest, "main"));
  if (!main.empty()) {
    if (std::string file = file_meant(main, files); !file.empty()) return file;
    return kManifest.wrong("main", fmt::format("names {}, which the package has not", main));
  }
  for (const char* name : {"index.js", "index.ts", "index.tsx", "index.hog"}) {
    if (files.contains(std::string_view(name))) return std::string(name);
  }
  for (const char* key : {"main", "module", "source"}) {
    const std::string named = npm_text(npm, key);
    if (named.empty()) continue;
    if (std::string file = file_meant(named, files); !file.empty()) return file;
  }
  for (const char* name : {"src/index", "dist/index", "lib/index"}) {
    if (std::string file = file_meant(name, files); !file.empty()) return file;
  }
  std::vector<std::string> code;
  for (const auto& [path, text] : files) {
    if (is_code(path) && !path.contains('/') && !path.contains(".test.")) code.push_back(path);
  }
  if (code.size() == 1) return code.front();
  return fail(Code::kInvalid,
              "the package has no index.js, index.ts or index.hog; plugin.json's \"main\" may "
              "name another file");
}

/// Whoever wrote the package: without the owner's scope.
std::string npm_name(const JsonFields& package) {
  std::string name = npm_text(package, "name");
  if (const size_t slash = name.rfind('/'); slash != std::string::npos) name.erase(0, slash + 1);
  return name;
}

constexpr std::string_view kAttachment =
    "is a file: {\"file_name\", \"content_type\", \"contents\"} with Base64";

/// An attachment whose bytes can be had; whoever is to read them finds out the rest.
Status check_attachment(const AppField& field, std::string_view raw) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::kInvalid, fmt::format("'{}' {}", field.key, what));
  };
  const auto file = json_type(raw) == JsonType::kObject
                        ? JsonFields::parse(raw)
                        : Result<JsonFields>(fail(Code::kInvalid, ""));
  if (!file) return wrong(kAttachment);
  for (const std::string_view key : {"file_name", "content_type", "contents"}) {
    const auto value = file->find(key);
    if (!value && key == "content_type") continue;
    if (!value || json_type(*value) != JsonType::kString) return wrong(kAttachment);
  }
  for (const JsonFields::Field& member : file->fields()) {
    if (member.key != "file_name" && member.key != "content_type" && member.key != "contents") {
      return wrong(fmt::format("is a file and has no member '{}'", member.key));
    }
  }
  if (file->find("file_name") == R"("")") return wrong("is a file without a name");
  if (!exact_unbase64(event::decode_string(*file->find("contents")))) {
    return wrong("is a file whose 'contents' are not Base64");
  }
  return {};
}

/// As answers show it: without bytes, it says that the file stays.
bool keeps_file(const AppField& field, std::string_view raw) {
  if (field.type != "attachment" || json_type(raw) != JsonType::kObject) return false;
  const auto file = JsonFields::parse(raw);
  return file && !file->contains("contents");
}

/// What a plugin gets: a text, or JSON as text; attachments and Hog's inputs stay what they are.
Result<std::string> value_for(const AppField& field, std::string_view raw) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::kInvalid, fmt::format("'{}' {}", field.key, what));
  };
  const JsonType type = json_type(raw);
  if (field.type == "choice" && type == JsonType::kString) {
    const std::string value = event::decode_string(raw);
    if (!value.empty() && !field.choices.empty() &&
        std::ranges::find(field.choices, value) == field.choices.end()) {
      return wrong(fmt::format("must be one of {}", fmt::join(field.choices, ", ")));
    }
  }
  if (field.type == "attachment") PENSTOCK_CHECK(check_attachment(field, raw));
  if (field.type == "json" && type == JsonType::kString) {
    const std::string inner = event::decode_string(raw);
    if (!inner.empty() && !event::validate_json(inner)) return wrong("is not valid JSON");
  }
  if (field.type == "boolean" && type != JsonType::kBool) return wrong("is true or false");
  if ((field.type == "number" || field.type == "integer") && type != JsonType::kNumber) {
    return wrong("is a number");
  }
  if (field.type == "dictionary" && type != JsonType::kObject) {
    return wrong("is a dictionary: {\"key\": \"value\"}");
  }
  if (field.type == "string" && type != JsonType::kString) {
    if (type == JsonType::kObject || type == JsonType::kArray) return wrong("is a text");
    std::string out;
    event::append_json_string(out, raw);
    return out;
  }
  return std::string(raw);
}

bool is_blank(const JsonFields& config, std::string_view key) {
  const auto raw = config.find(key);
  return !raw || is_null(*raw) || *raw == "\"\"";
}

bool is_required(const AppField& field, const JsonFields& config) {
  if (field.required) return true;
  if (field.required_if.empty()) return false;
  return std::ranges::all_of(field.required_if, [&](const auto& pair) {
    const auto raw = config.find(pair.first);
    if (!raw) return false;
    const std::string value =
        json_type(*raw) == JsonType::kString ? event::decode_string(*raw) : std::string(*raw);
    return value == pair.second;
  });
}

}  // namespace

std::string_view app_language_name(AppLanguage language) {
  return language == AppLanguage::kHog ? "hog" : "javascript";
}

std::string tidy_app_files(AppFiles& files) {
  std::erase_if(files, [](const auto& file) { return is_never_read(file.first); });
  if (files.empty() || files.contains(std::string_view("plugin.json"))) return {};
  const std::string top = files.begin()->first.substr(0, files.begin()->first.find('/') + 1);
  const auto below = [&](const auto& file) { return file.first.starts_with(top); };
  if (top.empty() || !std::ranges::all_of(files, below)) return {};
  AppFiles out;
  for (auto& [path, bytes] : files) out.emplace(path.substr(top.size()), std::move(bytes));
  files = std::move(out);
  std::erase_if(files, [](const auto& file) { return file.first.empty(); });
  return top.substr(0, top.size() - 1);
}

Status name_app_files(AppFiles& files, std::string_view name) {
  JsonFields manifest;
  if (const auto file = files.find(std::string_view("plugin.json")); file != files.end()) {
    PENSTOCK_TRY(manifest, kManifest.object(file->second, "the file"));
  }
  PENSTOCK_TRY(const std::string own, text_of(manifest, "name"));
  if (!own.empty() || !npm_name(npm_manifest(files)).empty()) return {};
  const std::string_view shown = name.substr(0, kAppPathBytesMax);
  manifest.set_string("name", shown.empty() ? kUnnamedApp : shown);
  files["plugin.json"] = manifest.text() + "\n";
  return {};
}

Result<std::vector<AppField>> read_app_fields(std::string_view schema_json) {
  PENSTOCK_TRY(const auto items, kManifest.list(schema_json, "config", kAppFieldsMax));
  std::vector<AppField> out;
  for (const std::string_view item : items) {
    PENSTOCK_TRY(const auto object, kManifest.object(item, "config"));
    PENSTOCK_TRY(auto field, field_of(object));
    if (field.key.empty()) continue;
    const auto same = [&](const AppField& f) { return f.key == field.key; };
    if (std::ranges::any_of(out, same)) {
      return kManifest.wrong("config", fmt::format("has '{}' twice", field.key));
    }
    out.push_back(std::move(field));
  }
  return out;
}

Result<AppManifest> read_app_manifest(const AppFiles& files) {
  if (files.size() > kAppFilesMax) {
    return fail(Code::kInvalid, fmt::format("a package has up to {} files", kAppFilesMax));
  }
  size_t bytes = 0;
  for (const auto& [path, content] : files) {
    bytes += content.size();
    if (path.size() > kAppPathBytesMax || path.starts_with('/') || path.contains("..")) {
      return fail(Code::kInvalid, fmt::format("'{}' is no path of a package", path));
    }
  }
  if (bytes > kAppBytesMax) {
    return fail(Code::kInvalid, fmt::format("a package has up to {} bytes", kAppBytesMax));
  }
  JsonFields json;
  if (const auto file = files.find(std::string_view("plugin.json")); file != files.end()) {
    PENSTOCK_TRY(json, kManifest.object(file->second, "the file"));
  }
  AppManifest out;
  const JsonFields npm = npm_manifest(files);
  PENSTOCK_TRY(out.name, text_of(json, "name"));
  if (out.name.empty()) out.name = npm_name(npm);
  PENSTOCK_TRY(out.url, text_of(json, "url"));
  if (out.url.empty()) out.url = npm_text(npm, "homepage");
  PENSTOCK_TRY(out.description, text_of(json, "description"));
  if (out.description.empty()) out.description = npm_text(npm, "description");
  PENSTOCK_TRY(out.main, main_of(json, npm, files));
  if (out.main.ends_with(".hog")) out.language = AppLanguage::kHog;
  PENSTOCK_TRY(out.is_stateless, flag_of(json, "stateless"));
  // The second is what PostHog's own Hog functions call it.
  for (const char* key : {"config", "inputs_schema"}) {
    const auto config = json.find(key);
    if (!config || is_null(*config)) continue;
    PENSTOCK_TRY(out.config_schema, schema_as_list(*config));
    break;
  }
  if (const auto jobs = json.find("publicJobs"); jobs && !is_null(*jobs)) {
    PENSTOCK_TRY(const auto object, kManifest.object(*jobs, "publicJobs"));
    out.public_jobs = object.text();
  }
  PENSTOCK_TRY(out.fields, read_app_fields(out.config_schema));
  if (out.is_stateless && !out.fields.empty()) {
    return kManifest.wrong("stateless", "does not go with a config: the app is shared by all");
  }
  if (out.name.empty()) out.name = kUnnamedApp;
  return out;
}

Result<std::string> merge_app_config(const std::vector<AppField>& fields, std::string_view before,
                                     std::string_view given, bool complete) {
  PENSTOCK_TRY(const auto old, JsonFields::parse(before));
  PENSTOCK_TRY(const auto wanted, JsonFields::parse(given));
  for (const JsonFields::Field& f : wanted.fields()) {
    if (std::ranges::find(fields, f.key, &AppField::key) == fields.end()) {
      return fail(Code::kInvalid, fmt::format("this app has no setting '{}'", f.key));
    }
  }
  JsonFields out;
  for (const AppField& field : fields) {
    const auto value = wanted.find(field.key);
    const bool keeps = !value || *value == kKeptSecret || keeps_file(field, *value);
    if (keeps) {
      if (const auto kept = old.find(field.key)) {
        out.set(field.key, *kept);
        continue;
      }
    }
    if (value && *value != kKeptSecret && !is_null(*value)) {
      PENSTOCK_TRY(const std::string checked, value_for(field, *value));
      out.set(field.key, checked);
    } else if (!field.default_json.empty() && !value) {
      out.set(field.key, field.default_json);
    }
  }
  if (complete) {
    for (const AppField& field : fields) {
      if (!is_required(field, out) || !is_blank(out, field.key)) continue;
      return fail(Code::kInvalid, fmt::format("'{}' needs a value", field.key));
    }
  }
  std::string text = out.text();
  if (text.size() > kAppConfigBytesMax) {
    return fail(Code::kInvalid,
                fmt::format("a configuration has up to {} bytes", kAppConfigBytesMax));
  }
  return text;
}

std::string masked_app_config(const std::vector<AppField>& fields, std::string_view config) {
  auto out = JsonFields::parse(config);
  if (!out) return "{}";
  for (const AppField& field : fields) {
    if (is_blank(*out, field.key)) continue;
    if (field.secret) {
      out->set(field.key, kKeptSecret);
    } else if (field.type == "attachment") {
      auto file = JsonFields::parse(*out->find(field.key));
      if (!file) continue;
      file->erase("contents");
      out->set(field.key, file->text());
    }
  }
  return out->text();
}

}  // namespace penstock::catalog
