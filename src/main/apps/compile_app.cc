#include "main/apps/compile_app.h"

#include <charconv>

#include "catalog/app_manifest.h"
#include "event/json_fields.h"

namespace penstock::cli {
namespace {

admin::AppMistake mistake_of(const event::JsonFields& fields) {
  const auto text = [&](std::string_view key) {
    const auto raw = fields.find(key);
    const bool is_text = raw && event::json_type(*raw) == event::JsonType::kString;
    return is_text ? event::decode_string(*raw) : std::string();
  };
  const auto number = [&](std::string_view key) {
    const std::string_view raw = fields.find(key).value_or("");
    int64_t out = 0;
    std::from_chars(raw.data(), raw.data() + raw.size(), out);
    return out;
  };
  const bool runs = fields.find("runs").value_or("true") == "true";
  return {text("file"), text("message"), number("line"), number("column"), runs};
}

}  // namespace

void compile_app(apps::Apps& engine, const catalog::AppFiles& files,
                 std::move_only_function<void(Result<std::vector<admin::AppMistake>>)> done) {
  apps::AppConfig candidate;
  auto package = std::make_shared<apps::AppPackage>();
  package->files = {files.begin(), files.end()};
  if (const auto manifest = catalog::read_app_manifest(files)) package->main = manifest->main;
  candidate.package = std::move(package);
  engine.try_out(std::move(candidate), "{}", {.only_compile = true},
                 [done = std::move(done)](const Result<apps::AppResult>& result,
                                          const std::vector<apps::LogEntry>& lines) mutable {
                   if (!result) return done(std::unexpected(result.error()));
                   std::vector<admin::AppMistake> out;
                   for (const apps::LogEntry& line : lines) {
                     const auto fields = event::JsonFields::parse(line.message);
                     if (fields) out.push_back(mistake_of(*fields));
                   }
                   done(std::move(out));
                 });
}

}  // namespace penstock::cli
