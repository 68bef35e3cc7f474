#include "store/result_rows.h"

#include <gtest/gtest.h>

namespace penstock::store {
namespace {

constexpr std::string_view kRow =
    R"(["018f0000-0000-7000-8000-000000000001","a \"b\"","café","1700000000123456",)"
    R"("{\"n\":1,\"s\":\"x\"}","a:href=\"/\"","018f0000-0000-7000-8000-0000000000aa",)"
    R"("{\"plan\":\"pro\"}","full","1690000000000"])";

QueryResult answer(std::string_view rows) {
  QueryResult out;
  out.body = R"({"meta":[],"data":[)" + std::string(rows) + "]}";
  return out;
}

TEST(ResultRows, CellsAreWhatTheEngineWrites) {
  const QueryResult result = answer(R"(["1",2,"x",null],["a"])");
  const auto rows = rows_of(result);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ(cell_number((*rows)[0][0]), 1);
  EXPECT_EQ(cell_number((*rows)[0][1]), 2);
  EXPECT_EQ(cell_number((*rows)[0][2]), 0);
  EXPECT_EQ(cell_number("\"-9223372036854775808\""), INT64_MIN);
  EXPECT_EQ(cell_number("12a"), 0);
  EXPECT_EQ(cell_number("\""), 0);
  EXPECT_EQ(cell_text((*rows)[0][2]), "x");
  EXPECT_EQ(cell_text((*rows)[0][3]), "null");
  EXPECT_EQ(cell_text(R"("tab\tA")"), "tab\tA");
  EXPECT_EQ(unquoted("\"\""), "");
}

TEST(ResultRows, AnAnswerThatIsNoneIsAnError) {
  QueryResult result;
  result.body = "Code: 60. DB::Exception";
  EXPECT_FALSE(rows_of(result));
  result.body = R"({"data":[1]})";
  EXPECT_FALSE(rows_of(result));
  result.body = "{}";
  EXPECT_TRUE(rows_of(result)->empty());
}

TEST(ResultRows, AnEventHasItsRow) {
  const QueryResult result = answer(kRow);
  const auto event = stored_event(rows_of(result)->front());
  ASSERT_TRUE(event) << event.error().message;
  EXPECT_EQ(event->uuid.text(), "018f0000-0000-7000-8000-000000000001");
  EXPECT_EQ(event->timestamp_us, 1700000000123456);
  const event::EventRow row = event->row();
  EXPECT_EQ(row.event, "a \"b\"");
  EXPECT_EQ(row.distinct_id, "caf\u00e9");
  EXPECT_EQ(row.timestamp_ms, 1700000000123);
  EXPECT_EQ(row.properties, R"({"n":1,"s":"x"})");
  EXPECT_EQ(row.elements_chain, R"(a:href="/")");
  EXPECT_EQ(row.person_id.text(), "018f0000-0000-7000-8000-0000000000aa");
  EXPECT_EQ(row.person_properties, R"({"plan":"pro"})");
  EXPECT_EQ(row.person_created_at_ms, 1690000000000);
  EXPECT_EQ(row.person_mode, event::PersonMode::kFull);

  std::string bare(kRow);
  bare.replace(bare.find("full"), 4, "propertyless");
  const QueryResult other = answer(bare);
  EXPECT_EQ(stored_event(rows_of(other)->front())->row().person_mode,
            event::PersonMode::kPropertyless);
}

TEST(ResultRows, OtherColumnsAreRefused) {
  const QueryResult few = answer(R"(["a","b"])");
  EXPECT_EQ(stored_event(rows_of(few)->front()).error().code, Code::kCorrupt);
  std::string row(kRow);
  row.replace(row.find("018f"), 4, "xxxx");
  const QueryResult odd = answer(row);
  EXPECT_EQ(stored_event(rows_of(odd)->front()).error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace penstock::store
