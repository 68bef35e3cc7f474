// Goal: what an old and a new server says becomes the code a caller acts on, and nothing that is no
// ClickHouse passes for one.
#include "store/clickhouse/answers.h"

#include <gtest/gtest.h>

#include "store/dialect/query_guard.h"

namespace penstock::store::clickhouse {
namespace {

HttpAnswer answer(int status, std::string body, std::map<std::string, std::string> headers = {}) {
  return {status, std::move(body), std::move(headers)};
}

Code code(const HttpAnswer& a, Purpose purpose) {
  const Status s = status_of(a, purpose);
  return s ? Code::kBug : s.error().code;
}

TEST(Answers, TheServersNumberComesFromItsHeaderOrItsText) {
  EXPECT_EQ(exception_code(answer(500, "Code: 252. DB::Exception: Too many parts")), 252);
  EXPECT_EQ(exception_code(answer(500, "Code: 192, e.displayText() = DB::Exception: Unknown user")),
            192);
  EXPECT_EQ(exception_code(answer(500, "x", {{"x-clickhouse-exception-code", "516"}})), 516);
  EXPECT_EQ(exception_code(answer(200, "Code: 252.", {{"x-clickhouse-query-id", "q"}})), 0)
      << "rows may say anything";
  EXPECT_EQ(exception_code(answer(502, "<html>Bad Gateway</html>")), 0);
  EXPECT_EQ(exception_code(answer(500, "Code: ")), 0);
}

TEST(Answers, AnInsertsFailureSaysWhatToDoWithIt) {
  const auto of = [](int n) {
    return code(answer(500, "Code: " + std::to_string(n) + ". DB::Exception: x"), Purpose::kInsert);
  };
  EXPECT_EQ(of(252), Code::kBusy);
  EXPECT_EQ(of(241), Code::kExhausted);
  EXPECT_EQ(of(516), Code::kDenied);
  EXPECT_EQ(of(117), Code::kInvalid);
  EXPECT_EQ(of(319), Code::kMaybe);
  EXPECT_EQ(of(159), Code::kMaybe);
  EXPECT_EQ(of(999), Code::kMaybe);
  EXPECT_EQ(of(242), Code::kUnavailable);
  EXPECT_EQ(of(60), Code::kUnavailable) << "a table that is missing can come back; rows wait";
  EXPECT_EQ(of(12345), Code::kUnavailable) << "never lose rows to a number nobody knows";
}

TEST(Answers, AQuerysFailureIsTheAskersUnlessItIsTheServers) {
  const auto of = [](int n) {
    return code(answer(404, "Code: " + std::to_string(n) + ". DB::Exception: x"), Purpose::kQuery);
  };
  EXPECT_EQ(of(47), Code::kInvalid);   // UNKNOWN_IDENTIFIER
  EXPECT_EQ(of(62), Code::kInvalid);   // SYNTAX_ERROR
  EXPECT_EQ(of(164), Code::kDenied);   // READONLY
  EXPECT_EQ(of(159), Code::kTimeout);  // TIMEOUT_EXCEEDED
  EXPECT_EQ(of(394), Code::kCancelled);
  EXPECT_EQ(of(396), Code::kExhausted);
  EXPECT_EQ(of(202), Code::kBusy);
  EXPECT_EQ(of(279), Code::kUnavailable);
}

TEST(Answers, SomethingElseThatAnswersIsNoSuccess) {
  EXPECT_EQ(code(answer(200, "welcome"), Purpose::kInsert), Code::kMaybe);
  EXPECT_EQ(code(answer(200, "welcome"), Purpose::kQuery), Code::kUnavailable);
  EXPECT_EQ(code(answer(502, "Bad Gateway"), Purpose::kInsert), Code::kMaybe);
  EXPECT_EQ(code(answer(503, "later"), Purpose::kInsert), Code::kBusy);
  EXPECT_EQ(code(answer(401, "who?"), Purpose::kInsert), Code::kDenied);
  EXPECT_TRUE(status_of(answer(200, "", {{"x-clickhouse-summary", "{}"}}), Purpose::kInsert));
}

// As a real server of version 18.16.1 said it.
TEST(Answers, AnOldServersWordsAreReadToo) {
  const HttpAnswer wrong =
      answer(401,
             "Code: 193, e.displayText() = DB::Exception: Wrong password for user default, "
             "e.what() = DB::Exception\n",
             {{"x-clickhouse-server-display-name", "vm"}});
  const Status s = status_of(wrong, Purpose::kOwn);
  ASSERT_FALSE(s.has_value());
  EXPECT_EQ(s.error().code, Code::kDenied);
  EXPECT_EQ(s.error().message, "Wrong password for user default");
  const HttpAnswer missing =
      answer(404,
             "Code: 60, e.displayText() = DB::Exception: Table default.nothing doesn't exist., "
             "e.what() = DB::Exception\n");
  EXPECT_EQ(code(missing, Purpose::kQuery), Code::kInvalid);
  EXPECT_EQ(status_of(missing, Purpose::kQuery).error().message,
            "Table default.nothing doesn't exist.");
}

TEST(Answers, SummariesAndVersionsAreRead) {
  const Summary s = summary_of(answer(
      200, "",
      {{"x-clickhouse-summary",
        R"({"read_rows":"12","read_bytes":"3456","written_rows":"0","elapsed_ns":"7890123"})"}}));
  EXPECT_EQ(s.rows_read, 12U);
  EXPECT_EQ(s.bytes_read, 3456U);
  EXPECT_EQ(s.elapsed_us, 7890);
  EXPECT_EQ(summary_of(answer(200, "")).rows_read, 0U);
  EXPECT_EQ(version_number("24.8.1.2684"), 2408);
  EXPECT_EQ(version_number("18.16.1"), 1816);
  EXPECT_EQ(version_number("25.3"), 2503);
  for (const char* none : {"", "x", "24", "."}) EXPECT_EQ(version_number(none), 0) << none;
}

TEST(Answers, TableFunctionsThatOnlyThisServerKnowsAreRefused) {
  const ServerNames server{names_in("other\\nanother"), names_in("numbers\\nof_tomorrow\\n")};
  EXPECT_EQ(server.databases, (NameSet{"other", "another"}));
  EXPECT_TRUE(names_in("").empty());
  const auto allowed = [&](std::string_view sql) {
    return check_query(sql, false, server).has_value();
  };
  EXPECT_TRUE(allowed("SELECT count() FROM numbers(3)"));
  EXPECT_FALSE(allowed("SELECT * FROM of_Tomorrow ('events')"));
  EXPECT_FALSE(allowed("SELECT * FROM events, `of_tomorrow`(events)"));
  EXPECT_TRUE(allowed("SELECT of_tomorrow FROM events"));
  EXPECT_FALSE(allowed("SELECT * FROM another.things"));
  EXPECT_TRUE(check_query("SELECT * FROM of_tomorrow(1)", false)
                  .has_value());  // nobody said that it is one
}

}  // namespace
}  // namespace penstock::store::clickhouse
