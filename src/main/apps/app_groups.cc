#include "main/apps/app_groups.h"

#include <utility>

namespace penstock::cli {
namespace {

constexpr uint8_t kTypes = 5;

std::string of(const std::map<AppGroups::Key, std::string>& known, ProjectId project, uint8_t index,
               std::string_view key) {
  const auto found = known.find({project.value, index, std::string(key)});
  return found == known.end() ? std::string() : found->second;
}

}  // namespace

void AppGroups::add_keys(ProjectId project, std::string_view properties, Keys& keys) {
  if (!properties.contains("\"$group_")) return;
  const auto fields = event::JsonFields::parse(properties);
  if (!fields) return;
  for (uint8_t index = 0; index < kTypes; index++) {
    const auto key = fields->find("$group_" + std::to_string(index));
    if (!key) continue;
    const event::JsonType type = event::json_type(*key);
    if (type == event::JsonType::kNumber) keys.emplace(project.value, index, *key);
    if (type == event::JsonType::kString) {
      keys.emplace(project.value, index, event::decode_string(*key));
    }
  }
}

Result<AppGroups::Known> AppGroups::read(const persons::PersonStore& store, const Keys& keys) {
  std::vector<persons::GroupKey> wanted;
  wanted.reserve(keys.size());
  for (const auto& [project, index, key] : keys) wanted.push_back({{project}, index, key});
  PENSTOCK_TRY(auto found, store.fetch_groups(wanted));
  Known out;
  auto key = keys.begin();
  for (auto& group : found) {
    if (group) out.emplace(*key, std::move(group->properties));
    key++;
  }
  return out;
}

ingest::AppFilters::Groups AppGroups::on_loop() {
  if (store_ == nullptr) return {};
  if (!blocks_) {
    return [store = store_](ProjectId project, uint8_t index, std::string_view key) {
      const auto found = store->fetch_groups({{project, index, std::string(key)}});
      return found && found->front() ? found->front()->properties : std::string();
    };
  }
  return [this](ProjectId project, uint8_t index, std::string_view key) {
    return known_ ? of(*known_, project, index, key) : std::string();
  };
}

void AppGroups::look_up(Keys keys, Then then) {
  if (!has_to_look_up() || keys.empty()) return then(Status());
  auto read_now = std::make_shared<Result<Known>>(Known());
  auto shared = std::make_shared<Then>(std::move(then));
  const Status submitted = runtime_.pool().submit(
      [store = store_, keys = std::move(keys), read_now] { *read_now = read(*store, keys); }, loop_,
      [this, alive = alive_, read_now, shared] {
        if (!*alive) return;
        if (!*read_now) return (*shared)(std::unexpected(read_now->error()));
        known_ = std::make_shared<const Known>(std::move(**read_now));
        (*shared)(Status());
        known_ = nullptr;
      });
  if (!submitted) (*shared)(submitted);
}

Result<ingest::AppFilters::Groups> AppGroups::at_once(
    ProjectId project, const std::vector<std::string>& events) const {
  if (store_ == nullptr) return ingest::AppFilters::Groups();
  Keys keys;
  for (const std::string& event : events) {
    const auto fields = event::JsonFields::parse(event);
    if (fields) add_keys(project, fields->find("properties").value_or("{}"), keys);
  }
  PENSTOCK_TRY(auto known, read(*store_, keys));
  return ingest::AppFilters::Groups(
      [known = std::move(known)](ProjectId asked, uint8_t index, std::string_view key) {
        return of(known, asked, index, key);
      });
}

}  // namespace penstock::cli
