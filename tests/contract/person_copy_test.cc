// What a person store holds, carried into another one and back: nothing is lost and nothing added.
#include <gtest/gtest.h>

#include "kv/memory_kv.h"
#include "persons/person_copy.h"
#include "tests/contract/postgres_server.h"

namespace penstock::persons {
namespace {

constexpr ProjectId kProject{1};

Uuid id(int n) { return person_uuid(kProject, "person " + std::to_string(n)); }

event::PersonChange person(int n, std::string_view properties, bool deleted = false) {
  event::PersonChange p;
  p.project = kProject;
  p.id = id(n);
  p.properties = properties;
  p.created_at_ms = 1'700'000'000'000 + n;
  p.is_identified = n % 2 == 0;
  p.is_deleted = deleted;
  p.version = static_cast<uint64_t>(n) + 1;
  if (n % 3 == 0) p.last_seen_at_ms = 1'700'000'100'000;
  p.stamps = n % 4 == 0 ? std::string_view("\x01\x00\x02", 3) : std::string_view();
  return p;
}

/// Every kind of record, those that only hold a version too.
void fill(PersonStore& store) {
  PersonUpdates updates;
  for (int n = 0; n < 40; n++) {
    updates.persons.push_back(person(
        n,
        R"({"b":[1,2.50,{"z":1,"y":1,"z":2}],"a":"x\u0000y\ud800","n":1e3,"long key":"é \" \\"})"));
  }
  updates.persons.push_back(person(50, "{}", true));
  std::vector<std::string> names;
  for (int n = 0; n < 90; n++) names.push_back("id '" + std::to_string(n) + "' \t é");
  for (int n = 0; n < 90; n++) {
    updates.distinct_ids.push_back(
        {kProject, names[static_cast<size_t>(n)], id(n % 60), n % 20 == 19, n, n % 7 == 0 ? 5 : 0});
  }
  updates.groups.push_back({kProject, 2, "acme", R"({"size":10})", 1'700'000'000'000, 4});
  updates.group_types.push_back({kProject, 2, "company", 1'700'000'000'000});
  std::string target;
  event::encode(person(2, "{}"), target);
  event::PersonMerge merge;
  merge.project = kProject;
  merge.event = "$identify";
  merge.source = merge.target = target;
  merge.source_id = "a";
  merge.target_id = "b";
  merge.result = id(1);
  for (uint32_t n = 0; n < kMergesKeptMax + 7; n++) {  // of which seven are forgotten
    merge.time_ms = 1000 + n;
    merge.event_uuid = id(1000 + static_cast<int>(n));
    updates.merges.push_back(merge);
  }
  updates.reports.push_back({kProject, id(7), "delete", "me", "done", "{}", 99});
  ASSERT_TRUE(store.apply(updates, {{{0}, {100}}, {{3}, {7}}}));
}

/// Piece by piece; how many there were.
int copy(PersonCopy& from, PersonCopy& to, size_t piece_bytes, PersonDigest& digest) {
  std::string cursor;
  int pieces = 0;
  do {
    const auto piece = from.read(cursor, piece_bytes);
    EXPECT_TRUE(piece) << piece.error().message;
    if (!piece) return 0;
    EXPECT_TRUE(digest.add(*piece));
    for (int twice = 0; twice < 2; twice++) {
      const Status written = to.write(*piece);
      EXPECT_TRUE(written) << written.error().message;
    }
    cursor = piece->next;
    pieces++;
  } while (!cursor.empty() && pieces < 10'000);
  const auto positions = from.positions();
  EXPECT_TRUE(positions && to.finish(*positions));
  return pieces;
}

PersonDigest digest_of(PersonCopy& store) {
  PersonDigest out;
  std::string cursor;
  do {
    const auto piece = store.read(cursor, 1U << 20);
    EXPECT_TRUE(piece) << piece.error().message;
    if (!piece) break;
    EXPECT_TRUE(out.add(*piece));
    cursor = piece->next;
  } while (!cursor.empty());
  return out;
}

TEST(PersonCopy, ThereAndBackThroughPostgres) {
  testing::PostgresServer* server = testing::postgres_server();
  if (server == nullptr) {
    if (testing::PostgresServer::required()) FAIL() << "PostgreSQL 15 is not installed";
    GTEST_SKIP() << "PostgreSQL 15 is not installed: tools/setup --test";
  }
  auto kv = std::make_shared<kv::MemoryKv>();
  fill(*make_person_store(kv::make_view(kv)));
  auto first = make_kv_person_copy(kv);
  PostgresOptions options{.url = server->url(server->new_schema()), .source = "log"};
  auto on_server = make_postgres_person_copy(options);
  ASSERT_TRUE(on_server->check());
  EXPECT_TRUE(*on_server->is_empty());
  PersonDigest there, back;
  EXPECT_GT(copy(*first, *on_server, 300, there), 10);
  for (const auto& sum : there.sums) EXPECT_GT(sum.count, 0U) << there.text();
  EXPECT_FALSE(*on_server->is_empty());
  PersonDigest on_it = digest_of(*on_server);
  EXPECT_EQ(there, on_it) << there.difference(on_it);
  EXPECT_GE(on_server->size()->records, there.total());
  auto second_kv = std::make_shared<kv::MemoryKv>();
  auto second = make_kv_person_copy(second_kv);
  EXPECT_TRUE(*second->is_empty());
  copy(*on_server, *second, 300, back);
  EXPECT_EQ(there, back) << there.difference(back);
  EXPECT_EQ(there, digest_of(*second)) << there.difference(digest_of(*second));
  EXPECT_EQ(second->positions()->size(), 2U);
  EXPECT_EQ(second->positions()->at(1).next.value, 7);
  EXPECT_EQ(*make_person_store(kv::make_view(second_kv))->count(kProject), 40U);
}

TEST(PersonCopy, DigestsNoticeWhatDiffers) {
  auto kv = std::make_shared<kv::MemoryKv>(), other = std::make_shared<kv::MemoryKv>();
  fill(*make_person_store(kv::make_view(kv)));
  fill(*make_person_store(kv::make_view(other)));
  auto a = make_kv_person_copy(kv), b = make_kv_person_copy(other);
  EXPECT_EQ(digest_of(*a), digest_of(*b));
  EXPECT_EQ(*PersonDigest::load(digest_of(*a).save()), digest_of(*a));
  PersonUpdates change;
  change.persons.push_back(person(3, "{}"));
  change.persons.back().version = 100;
  ASSERT_TRUE(make_person_store(kv::make_view(other))->apply(change, {}));
  EXPECT_EQ(digest_of(*a).difference(digest_of(*b)), "persons: as many (40), with other content");
}

}  // namespace
}  // namespace penstock::persons
