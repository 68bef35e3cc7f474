// AppManifest: what a package of files says it is, and the form its configuration has to fit.
//
// A package is a plugin as PostHog knows it (index.js or index.ts, and mostly a plugin.json) or a
// Hog program (index.hog). `config` of plugin.json may be a list or an object; it is kept as a
// list. What plugin.json does not say, package.json does. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace penstock::catalog {

enum class AppLanguage : uint8_t { kJavaScript, kHog };
std::string_view app_language_name(AppLanguage language);  // "javascript", "hog"

/// Files by path below the package's root. Immutable once it is shared.
using AppFiles = std::map<std::string, std::string, std::less<>>;

inline constexpr size_t kAppFilesMax = 200;
inline constexpr size_t kAppBytesMax = 4U << 20;  // of all files of a package
inline constexpr size_t kAppPathBytesMax = 200;
inline constexpr size_t kAppConfigBytesMax = 1U << 20;  // with attachments
inline constexpr size_t kAppFieldsMax = 100;            // of a configuration's form

/// One field of the form; without a key it is only a text for the reader.
struct AppField {
  std::string key, name;
  std::string type = "string";  // string, json, attachment, choice; Hog also boolean, number, …
  std::vector<std::string> choices;
  std::string default_json;  // JSON text; empty: none
  bool required = false, secret = false;
  std::vector<std::pair<std::string, std::string>> required_if;
};

struct AppManifest {
  std::string name, url, description;
  std::string main;  // path of the file that is run
  AppLanguage language = AppLanguage::kJavaScript;
  bool is_stateless = false;
  std::string config_schema = "[]";  // JSON array of the fields, each with its key
  std::string public_jobs = "{}";
  std::vector<AppField> fields;
};

/// kInvalid with a sentence for the app's author. Files that nothing reads (node_modules, dot
/// files) must be gone already: `tidy_app_files`.
Result<AppManifest> read_app_manifest(const AppFiles& files);
/// Drops what is never read and takes off one folder that holds everything, as archives have it:
/// answers that folder's name, or nothing.
std::string tidy_app_files(AppFiles& files);

/// What an app is called when nobody has given it a name.
inline constexpr std::string_view kUnnamedApp = "Untitled app";
/// A package that has no name of its own gets this one, in its plugin.json. kInvalid: that is none.
Status name_app_files(AppFiles& files, std::string_view name);
/// The fields of a stored schema.
Result<std::vector<AppField>> read_app_fields(std::string_view schema_json);

/// What stands for a secret in answers, and in a change says that it stays what it is.
inline constexpr std::string_view kKeptSecret = R"({"secret":true})";

/// The configuration to keep: `given` over `before`, defaults filled in. With `complete` every
/// required field must have a value. kInvalid names the field.
Result<std::string> merge_app_config(const std::vector<AppField>& fields, std::string_view before,
                                     std::string_view given, bool complete);
/// The same as people may see it: kKeptSecret in place of each secret, attachments without bytes.
std::string masked_app_config(const std::vector<AppField>& fields, std::string_view config);

}  // namespace penstock::catalog
