// The salts of cookieless visitors' days that several processes share, in a real PostgreSQL.
#include "catalog/shared_salts.h"

#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <set>
#include <thread>
#include <vector>

#include "tests/contract/postgres_server.h"

namespace penstock::catalog {
namespace {

Uuid salt_of(uint8_t process, int32_t day) {
  Uuid out;
  out.bytes[0] = process;
  out.bytes[15] = static_cast<uint8_t>(day);
  return out;
}

class SharedSaltsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing_server() != nullptr) return;
    if (testing::PostgresServer::required()) FAIL() << "PostgreSQL 15 is not installed";
    GTEST_SKIP() << "PostgreSQL 15 is not installed";
  }
  static testing::PostgresServer* testing_server() { return testing::postgres_server(); }
  static std::unique_ptr<SharedSalts> open(const std::string& schema) {
    PostgresCatalogOptions options;
    options.url = testing_server()->url(schema);
    options.schema = schema;
    options.retry_ms = 50;
    return make_postgres_salts(options);
  }
};

// Several times over: how far one is when the next asks is what differs.
TEST_F(SharedSaltsTest, ProcessesThatAskAtOnceGetOneSaltOfADay) {
  constexpr uint8_t kProcesses = 8;
  constexpr int32_t kDays = 3;
  for (int round = 0; round < 12; round++) {
    const std::string schema = testing_server()->new_schema();
    std::latch all_there(kProcesses);
    std::vector<std::future<std::vector<Result<Uuid>>>> answers;
    for (uint8_t p = 0; p < kProcesses; p++) {
      answers.push_back(std::async(std::launch::async, [&schema, &all_there, p] {
        const auto salts = open(schema);
        all_there.arrive_and_wait();
        std::vector<Result<Uuid>> out;  // the first of them makes the table, too
        for (int32_t day = 0; day < kDays; day++) out.push_back(salts->take(day, salt_of(p, day)));
        return out;
      }));
    }
    std::vector<std::set<std::string>> by_day(kDays);
    for (auto& answer : answers) {
      const auto one = answer.get();
      for (int32_t day = 0; day < kDays; day++) {
        const auto& salt = one[static_cast<size_t>(day)];
        ASSERT_TRUE(salt.has_value()) << salt.error().message;
        EXPECT_EQ(salt->bytes[15], day) << "somebody's own of that day";
        by_day[static_cast<size_t>(day)].insert(salt->text());
      }
    }
    for (const auto& salts : by_day) EXPECT_EQ(salts.size(), 1U);
  }
}

TEST_F(SharedSaltsTest, ASaltOutlivesProcessesAndTheServerAndIsForgottenWithItsDay) {
  const std::string schema = testing_server()->new_schema();
  const Uuid first = salt_of(1, 7);
  const auto one = open(schema);
  ASSERT_EQ(one->take(7, first).value_or(Uuid{}), first);
  testing_server()->kill_now();
  const auto away = one->take(8, salt_of(1, 8));
  ASSERT_FALSE(away.has_value());
  testing_server()->start();
  const auto later = open(schema);
  EXPECT_EQ(later->take(7, salt_of(2, 7)).value_or(Uuid{}), first);
  // The session that was cut comes back by itself, after its pause.
  Result<Uuid> again = fail(Code::kUnavailable, "");
  for (int tries = 0; tries < 600 && !again; tries++) {
    again = one->take(8, salt_of(1, 8));
    if (!again) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(again.value_or(Uuid{}), salt_of(1, 8));
  ASSERT_TRUE(later->forget(7).has_value());
  EXPECT_EQ(testing_server()->execute(schema, "SELECT count(*) FROM cookieless_salt"), "1");
  EXPECT_EQ(one->take(7, salt_of(3, 7)).value_or(Uuid{}), salt_of(3, 7)) << "a new one";
}

}  // namespace
}  // namespace penstock::catalog
