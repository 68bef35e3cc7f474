#include "main/doctor/answers.h"

#include <charconv>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "main/http_client.h"

namespace penstock::cli::doctor {
namespace {

constexpr int64_t kAskMs = 10'000;

std::string decoded(std::string_view raw) {
  return raw.starts_with('"') ? event::decode_string(raw) : std::string(raw);
}

uint64_t as_number(const std::string& text) {
  uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

}  // namespace

std::string Answer::raw(std::initializer_list<std::string_view> path) const {
  std::string at = json_;
  for (const std::string_view name : path) {
    const auto fields = event::JsonFields::parse(at);
    if (!fields) return {};
    const auto found = fields->find(name);
    if (!found) return {};
    at = std::string(*found);
  }
  return at;
}

std::string Answer::text(std::initializer_list<std::string_view> path) const {
  return decoded(raw(path));
}

uint64_t Answer::number(std::initializer_list<std::string_view> path) const {
  return as_number(text(path));
}

bool Answer::has(std::initializer_list<std::string_view> path) const { return !raw(path).empty(); }

std::vector<Answer> Answer::list(std::initializer_list<std::string_view> path) const {
  const std::string text = raw(path);
  std::vector<Answer> out;
  const auto elements = event::split_array(text);
  if (!elements) return out;
  for (const std::string_view e : *elements) out.emplace_back(std::string(e));
  return out;
}

std::vector<std::pair<std::string, uint64_t>> Answer::counts(
    std::initializer_list<std::string_view> path) const {
  const std::string text = raw(path);
  std::vector<std::pair<std::string, uint64_t>> out;
  const auto fields = event::JsonFields::parse(text);
  if (!fields) return out;
  for (const auto& f : fields->fields()) {
    out.emplace_back(std::string(f.key), as_number(decoded(f.value)));
  }
  return out;
}

Result<Answer> ask(const Instance& instance, const std::string& path) {
  HttpCall call = admin_call(instance, path);
  call.timeout_ms = kAskMs;
  PENSTOCK_TRY(std::string body, admin_body(http(call)));
  return Answer(std::move(body));
}

Result<std::vector<std::vector<std::string>>> ask_sql(const Instance& instance,
                                                      const std::string& project,
                                                      const std::string& sql) {
  HttpCall call = admin_call(instance, "/api/projects/" + project + "/query");
  call.method = "POST";
  call.timeout_ms = kAskMs;
  JsonWriter w;
  w.begin_object().field("query", sql).field("timeout_ms", kAskMs / 2).end_object();
  call.body = w.take();
  PENSTOCK_TRY(const std::string body, admin_body(http(call)));
  std::vector<std::vector<std::string>> rows;
  const auto fields = event::JsonFields::parse(body);
  if (!fields) return std::unexpected(fields.error());
  PENSTOCK_TRY(const auto lines, event::split_array(fields->find("results").value_or("[]")));
  for (const std::string_view line : lines) {
    PENSTOCK_TRY(const auto cells, event::split_array(line));
    std::vector<std::string>& row = rows.emplace_back();
    for (const std::string_view cell : cells) row.push_back(decoded(cell));
  }
  return rows;
}

}  // namespace penstock::cli::doctor
