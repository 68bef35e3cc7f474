#include "capture/browser/remote_config.h"

#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::capture {
namespace {

using Members = std::vector<std::pair<std::string_view, std::string>>;

std::string quoted(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

std::string of(bool value) { return value ? "true" : "false"; }

Members recording_defaults() {
  return {{"endpoint", R"("/s/")"},
          {"consoleLogRecordingEnabled", "false"},
          {"recorderVersion", R"("v2")"},
          {"sampleRate", "null"},
          {"minimumDurationMilliseconds", "null"},
          {"linkedFlag", "null"},
          {"networkPayloadCapture", "null"},
          {"masking", "null"},
          {"urlTriggers", "[]"},
          {"urlBlocklist", "[]"},
          {"eventTriggers", "[]"},
          {"triggerMatchType", "null"},
          {"recordCanvas", "false"},
          {"canvasFps", "null"},
          {"canvasQuality", "null"},
          {"scriptConfig", "null"}};
}

/// In posthog-js's order of importance: what it needs to send anything comes first.
Members defaults(const catalog::Project& project) {
  const catalog::ProjectSettings& settings = *project.settings;
  return {{"token", quoted(project.token)},
          {"supportedCompression", R"(["gzip","gzip-js"])"},
          {"hasFeatureFlags", of(settings.feature_flags.any_active())},
          {"autocapture_opt_out", "false"},
          {"autocaptureExceptions", "false"},
          {"capturePerformance", "false"},
          {"captureDeadClicks", "false"},
          {"sessionRecording", "false"},
          {"surveys", of(settings.lists.surveys.count > 0)},
          {"productTours", of(settings.lists.product_tours.count > 0)},
          {"heatmaps", "false"},
          {"isAuthenticated", "false"},
          {"toolbarParams", "{}"},
          {"siteApps", "[]"},
          {"elementsChainAsString", "true"},
          {"errorTracking", R"({"autocaptureExceptions":false,"suppressionRules":[]})"},
          {"analytics", R"({"endpoint":"/i/v0/e/"})"}};
}

void put(Members& into, std::string_view name, std::string value) {
  for (auto& [key, old] : into) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  into.emplace_back(name, std::move(value));
}

std::string text_of(const Members& members) {
  std::string out;
  for (const auto& [key, value] : members) {
    if (!out.empty()) out += ',';
    out += '"';
    out += key;
    out += "\":";
    out += value;
  }
  return out;
}

/// `true`: every default; an object: laid over them.
std::string recording(std::string_view setting) {
  if (setting == "false") return "false";
  Members members = recording_defaults();
  const auto fields = event::JsonFields::parse(setting == "true" ? "{}" : setting);
  if (!fields) return "false";
  for (const auto& [key, value] : fields->fields()) put(members, key, std::string(value));
  return "{" + text_of(members) + "}";
}

}  // namespace

std::string config_members(const catalog::Project& project, const ConfigContext& context) {
  Members members = defaults(project);
  for (const auto& [name, json] : project.settings->remote_config.members) {
    put(members, name, name == "sessionRecording" ? recording(json) : json);
  }
  if (context.recordings_limited) {
    put(members, "sessionRecording", "false");
    put(members, "quotaLimited", R"(["recordings"])");
  }
  return text_of(members);
}

std::string_view minimal_config_members() {
  return R"("supportedCompression":["gzip","gzip-js"],"hasFeatureFlags":false,)"
         R"("sessionRecording":false,"surveys":false,"heatmaps":false,"capturePerformance":false,)"
         R"("autocaptureExceptions":false,"isAuthenticated":false,"toolbarParams":{})";
}

std::string config_script(const catalog::Project& project, const ConfigContext& context) {
  const std::string token = quoted(project.token);
  return "(function(){window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{};"
         "window._POSTHOG_REMOTE_CONFIG[" +
         token + "]={config:{" + config_members(project, context) + "},siteApps:[]}})();\n";
}

}  // namespace penstock::capture
