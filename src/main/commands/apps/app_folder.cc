#include "main/commands/apps/app_folder.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "assets/assets.h"
#include "base/json_writer.h"
#include "event/json_equal.h"
#include "event/json_fields.h"
#include "main/commands/api.h"

namespace penstock::cli {
namespace {

namespace fs = std::filesystem;
using event::JsonFields;

constexpr std::string_view kJs =
    R"(// Called with every event before it is stored. Answer the event, changed or not; answer
// nothing and it is dropped. `meta.config` has the values of plugin.json's config.
export function processEvent(event, { config }) {
  if (event.properties && event.event === '$pageview') {
    event.properties.greeting = config.greeting
  }
  return event
}
)";

constexpr std::string_view kTs = R"(import { Plugin, PluginEvent } from '@posthog/plugin-scaffold'

type GreetingPlugin = Plugin<{ config: { greeting: string } }>

// Called with every event before it is stored. Answer the event, changed or not; answer nothing
// and it is dropped. `meta.config` has the values of plugin.json's config.
export const processEvent: GreetingPlugin['processEvent'] = (event: PluginEvent, { config }) => {
  if (event.properties && event.event === '$pageview') {
    event.properties.greeting = config.greeting
  }
  return event
}
)";

/// What any editor reads: nothing is compiled from it.
constexpr std::string_view kTypes = "penstock-app.d.ts";
constexpr std::string_view kTsConfig = R"({
  "compilerOptions": {
    "target": "es2023",
    "lib": ["es2023"],
    "module": "esnext",
    "moduleResolution": "bundler",
    "types": [],
    "strict": true,
    "noEmit": true
  },
  "include": ["*.ts"]
}
)";

constexpr std::string_view kHog =
    R"(// Runs on every event before it is stored. Return the event, changed or not; return null and
// it is dropped. `inputs` has the values of plugin.json's config.
let changed := event
if (event.event == '$pageview') {
  changed.properties.greeting := inputs.greeting
}
return changed
)";

std::string manifest(const std::string& name, std::string_view main) {
  JsonWriter w;
  w.begin_object().field("name", name).field("description", "Greets every page view.");
  w.field("main", main).key("config").begin_array().begin_object();
  w.field("key", "greeting").field("name", "Greeting").field("type", "string");
  w.field("default", "hello").field("hint", "Written to every page view.").field("required", false);
  return w.end_object().end_array().end_object().take() + "\n";
}

constexpr std::string_view kGreets = R"({
  "name": "a page view is greeted",
  "config": { "greeting": "ahoy" },
  "event": { "event": "$pageview", "properties": { "$current_url": "https://example.com/" } },
  "expect": { "properties": { "greeting": "ahoy", "$current_url": "https://example.com/" } }
}
)";
constexpr std::string_view kLeaves = R"({
  "name": "other events stay as they are",
  "event": { "event": "signed up", "properties": { "plan": "pro" } },
  "expect": "unchanged"
}
)";

Result<AppFixture> read_fixture(const std::string& path, const std::string& text) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::kInvalid, fmt::format("{}: {}", path, what));
  };
  const auto json = JsonFields::parse(text);
  if (!json) return wrong("is no JSON object");
  AppFixture out;
  out.path = path;
  out.name = text_of(*json, "name");
  if (out.name.empty()) out.name = path;
  if (const auto config = json->find("config")) out.config = std::string(*config);
  if (!json->contains("event")) return wrong("has no \"event\"");
  if (!json->contains("expect")) return wrong("says nothing to \"expect\"");
  out.event = std::string(*json->find("event"));
  out.expect = std::string(*json->find("expect"));
  if (const auto most = json->find("cpu_us_max")) {
    std::from_chars(most->data(), most->data() + most->size(), out.cpu_us_max);
  }
  return out;
}

/// Every member of `wanted` as in `got`.
void compare(std::string_view where, const JsonFields& wanted, const JsonFields& got,
             std::vector<std::string>& out) {
  for (const JsonFields::Field& f : wanted.fields()) {
    if (where.empty() && (f.key == "properties" || f.key == "unset")) continue;
    const auto value = got.find(f.key);
    if (!value) {
      out.push_back(fmt::format("{}{} is missing, expected {}", where, f.key, f.value));
    } else if (!event::json_equal(*value, f.value)) {
      out.push_back(fmt::format("{}{} is {}, expected {}", where, f.key, *value, f.value));
    }
  }
}

void compare_events(std::string_view expect, std::string_view after,
                    std::vector<std::string>& out) {
  JsonFields wanted_properties, got_properties;
  const auto wanted = JsonFields::parse_with(expect, "properties", wanted_properties);
  const auto got = JsonFields::parse_with(after, "properties", got_properties);
  if (!wanted || !got) {
    out.emplace_back("the event afterwards, or what is expected, is no object");
    return;
  }
  compare("", *wanted, *got, out);
  compare("properties.", wanted_properties, got_properties, out);
  const auto unset = event::split_array(wanted->find("unset").value_or("[]"));
  if (!unset) return;
  for (const auto raw : *unset) {
    const std::string key = event::decode_string(raw);
    if (got_properties.contains(key))
      out.push_back(fmt::format("properties.{} is still there", key));
  }
}

}  // namespace

Result<catalog::AppFiles> read_app_folder(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return fail(Code::kNotFound,
                fmt::format("'{}' is no folder and no .zip, .tar.gz or .tgz; `penstock app new` "
                            "makes a folder",
                            folder));
  }
  catalog::AppFiles out;
  for (auto it = fs::recursive_directory_iterator(folder, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "node_modules" || name.starts_with('.')) {
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file() || it->file_size() > catalog::kAppBytesMax) continue;
    std::ifstream in(it->path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    std::string text = std::move(bytes).str();
    if (text.find('\0') != std::string::npos) continue;  // pictures and the like
    out[fs::relative(it->path(), folder).generic_string()] = std::move(text);
    if (out.size() > catalog::kAppFilesMax) {
      return fail(Code::kInvalid,
                  fmt::format("'{}' has more than {} files", folder, catalog::kAppFilesMax));
    }
  }
  if (error) return fail(Code::kUnavailable, fmt::format("{}: {}", folder, error.message()));
  return out;
}

bool is_app_archive(std::string_view path) {
  return path.ends_with(".zip") || path.ends_with(".tar.gz") || path.ends_with(".tgz");
}

Result<std::string> read_app_archive(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return fail(Code::kNotFound, fmt::format("{}: {}", path, error.message()));
  if (size > catalog::kAppBytesMax) {
    return fail(Code::kInvalid,
                fmt::format("'{}' is larger than {} bytes", path, catalog::kAppBytesMax));
  }
  std::ifstream in(path, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  if (!in) return fail(Code::kUnavailable, fmt::format("{} cannot be read", path));
  return std::move(bytes).str();
}

Result<std::vector<AppFixture>> fixtures_of(const catalog::AppFiles& files) {
  std::vector<AppFixture> out;
  for (const auto& [path, text] : files) {
    if (!path.starts_with("tests/") || !path.ends_with(".json")) continue;
    PENSTOCK_TRY(out.emplace_back(), read_fixture(path, text));
  }
  return out;
}

std::vector<std::string> differences(const AppFixture& fixture, std::string_view answer) {
  std::vector<std::string> out;
  const auto tested = JsonFields::parse(answer);
  if (!tested) return {"the answer could not be read"};
  const std::string fate = text_of(*tested, "fate"), error = text_of(*tested, "error");
  if (!error.empty()) return {error};
  const bool word = fixture.expect.starts_with('"');
  const std::string wanted = word ? event::decode_string(fixture.expect) : "";
  if (word && wanted != fate && !(wanted == "unchanged" && fate == "changed")) {
    return {fmt::format("the event was {}, expected {}", fate, wanted)};
  }
  if (fate == "dropped" && !word) return {"the event was dropped"};
  if (wanted == "unchanged") {
    // What only says that apps ran is no change.
    const auto diff = JsonFields::parse(tested->find("diff").value_or("{}"));
    if (diff) {
      for (const auto& f : diff->fields()) out.push_back(fmt::format("{}: {}", f.key, f.value));
    }
  }
  if (!word) compare_events(fixture.expect, tested->find("after").value_or("{}"), out);
  int64_t cpu_us = 0;
  const std::string_view cpu = tested->find("cpu_us").value_or("0");
  std::from_chars(cpu.data(), cpu.data() + cpu.size(), cpu_us);
  if (fixture.cpu_us_max > 0 && cpu_us > fixture.cpu_us_max) {
    out.push_back(
        fmt::format("it took {} µs of CPU, at most {} are allowed", cpu_us, fixture.cpu_us_max));
  }
  return out;
}

Result<catalog::AppFiles> new_app_files(std::string_view language, const std::string& name) {
  catalog::AppFiles out;
  std::string main;
  if (language == "js") {
    out[main = "index.js"] = kJs;
  } else if (language == "ts") {
    out[main = "index.ts"] = kTs;
    out[std::string(kTypes)] = std::string(assets::find_script(kTypes));
    out["tsconfig.json"] = kTsConfig;
  } else if (language == "hog") {
    out[main = "index.hog"] = kHog;
  } else {
    return fail(Code::kInvalid,
                fmt::format("there are apps in js, ts and hog, not '{}'", language));
  }
  out["plugin.json"] = manifest(name, main);
  out["tests/greets.json"] = kGreets;
  out["tests/leaves_others.json"] = kLeaves;
  return out;
}

Status write_app_folder(const std::string& folder, const catalog::AppFiles& files) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    return fail(Code::kConflict, fmt::format("'{}' is there already and not empty", folder));
  }
  for (const auto& [path, text] : files) {
    const fs::path file = fs::path(folder) / path;
    fs::create_directories(file.parent_path(), error);
    std::ofstream out(file, std::ios::binary);
    out << text;
    if (!out.flush()) return fail(Code::kDenied, fmt::format("cannot write {}", file.string()));
  }
  return {};
}

}  // namespace penstock::cli
