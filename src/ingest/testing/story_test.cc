#include "ingest/testing/story.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "event/json_fields.h"
#include "event/person_command.h"
#include "ingest/testing/fixture.h"

namespace penstock::ingest::testing {
namespace {

constexpr int64_t kBegin = 1'785'585'600'000;
constexpr int64_t kMinute = 60'000;

}  // namespace

StoryEvent merge_event(uint64_t n, const std::string& source, const std::string& target,
                       const std::string& set, const std::string& name) {
  const std::string key = name == "$identify" ? "$anon_distinct_id" : "alias";
  return {n, target, name, R"({"$set":)" + set + ",\"" + key + "\":\"" + source + "\"}"};
}

StoryEvent without_merge(StoryEvent event) {
  auto fields = *event::JsonFields::parse(event.properties);
  fields.erase("$anon_distinct_id");
  fields.erase("alias");
  const std::string text = fields.text();
  event.properties = text;
  return event;
}

StoryEvent set_event(uint64_t n, const std::string& id, const std::string& set) {
  return {n, id, "seen", R"({"$set":)" + set + "}"};
}

Uuid Story::uuid(uint64_t n) {
  Uuid out;
  for (size_t i = 0; i < 8; i++) out.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  out.bytes[0] = 1;
  return out;
}

void Story::tell(const std::vector<StoryEvent>& events) {
  const int64_t now_ms = world.runtime().clock().wall_ms();
  std::map<int32_t, log::Batch> batches;
  for (const StoryEvent& e : events) {
    event::RawRecord raw;
    const std::string data = R"({"properties":)" + e.properties + "}";
    raw.uuid = uuid(e.n);
    raw.project = {1};
    raw.now_ms = now_ms;
    raw.timestamp_ms = kBegin + static_cast<int64_t>(e.n) * kMinute;
    raw.token = "phc_one";
    raw.distinct_id = e.distinct_id;
    raw.event = e.event;
    raw.data = data;
    std::string bytes, key;
    event::encode(raw, bytes);
    event::partition_key(raw, event::Lane::kMain, key);
    log::Batch& batch = batches[partition_of(key, World::kPartitions)];
    batch.partition = {partition_of(key, World::kPartitions)};
    batch.count++;
    log::encode_record(batch.data, bytes);
  }
  std::vector<log::Batch> list;
  std::vector<uint32_t> counts;
  for (auto& [partition, batch] : batches) {
    counts.push_back(batch.count);
    list.push_back(std::move(batch));
  }
  const std::vector<ledger::Ledger::Received> received{
      {{{1}, now_ms / kMinute, event::Lane::kMain}, events.size()}};
  world.log().append(world.loop(), std::string(event::lane_topic(event::Lane::kMain)),
                     std::move(list), [&](const Result<std::vector<log::Appended>>& appended) {
                       ASSERT_TRUE(appended.has_value());
                       world.ledger().received(event::Lane::kMain, *appended, counts, received);
                     });
  world.settle();
}

std::optional<PersonSeen> Story::person(const std::string& distinct_id) {
  const auto found = world.persons().fetch({{{1}, distinct_id}});
  EXPECT_TRUE(found.has_value());
  if (!(*found)[0]) return std::nullopt;
  const persons::Person& p = *(*found)[0];
  const auto ids = world.persons().distinct_ids({1}, p.id, 1'000'000);
  EXPECT_TRUE(ids.has_value());
  return PersonSeen{
      p.id, fields_of(p.properties), p.created_at_ms, p.is_identified, {ids->begin(), ids->end()}};
}

std::map<std::string, PersonSeen> Story::persons(const std::vector<std::string>& ids) {
  std::map<std::string, PersonSeen> out;
  for (const std::string& id : ids) {
    if (const auto p = person(id)) out[id] = *p;
  }
  return out;
}

World::Report Story::undo(const std::string& distinct_id, uint64_t n) {
  const auto p = person(distinct_id);
  EXPECT_TRUE(p.has_value());
  return world.report_of(
      world.command(event::kUndoMerge,
                    R"({"person":")" + p->id.text() + R"(","event":")" + uuid(n).text() + "\"}"));
}

std::vector<event::PersonMerge> Story::merges(const std::string& distinct_id) {
  const auto p = person(distinct_id);
  const auto history = world.persons().merges({1}, p->id);
  EXPECT_TRUE(history.has_value());
  std::vector<event::PersonMerge> out;
  for (const std::string& bytes : history->records) {
    records_.push_back(bytes);
  }
  const size_t first = records_.size() - history->records.size();
  for (size_t i = first; i < records_.size(); i++) {
    out.push_back(std::get<event::PersonMerge>(*event::decode_processed(records_[i])));
  }
  return out;
}

}  // namespace penstock::ingest::testing
