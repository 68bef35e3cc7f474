#include "catalog/public_jobs.h"

#include <gtest/gtest.h>

namespace penstock::catalog {
namespace {

constexpr std::string_view kJobs = R"({
  "Import": {"payload": {
    "since": {"title": "First day", "type": "date", "required": true},
    "pages": {"type": "number", "default": 3},
    "dry": {"type": "boolean"},
    "filter": {"type": "json"},
    "days": {"type": "daterange"},
    "note": {"title": "Note"},
    "who": {"type": "a type of the future"}}},
  "Forget everything": {},
  "Odd": {"payload": null}})";

std::string payload(std::string_view job, std::string_view given) {
  const auto out = public_job_payload(kJobs, job, given);
  return out ? *out : out.error().message;
}

TEST(PublicJobs, DefaultsAreFilledIn) {
  EXPECT_EQ(payload("Import", R"({"since":"2024-01-31"})"), R"({"since":"2024-01-31","pages":3})");
  EXPECT_EQ(payload("Import", R"({"since":"2024-01-31T12:00:00Z","pages":0})"),
            R"({"since":"2024-01-31T12:00:00Z","pages":0})");
  EXPECT_EQ(
      payload("Import", R"({"since":"2024-01-31","pages":1,"days":["2024-01-01","2024-02-01"],)"
                        R"("filter":"{\"a\":1}","dry":false,"note":"","who":[1]})"),
      R"({"since":"2024-01-31","pages":1,"days":["2024-01-01","2024-02-01"],)"
      R"("filter":"{\"a\":1}","dry":false,"note":"","who":[1]})");
}

TEST(PublicJobs, WhatDoesNotFitIsNamed) {
  EXPECT_EQ(payload("Import", "{}"), "'since' needs a value");
  EXPECT_EQ(payload("Import", R"({"since":""})"), "'since' needs a value");
  EXPECT_EQ(payload("Import", R"({"since":"soon"})"), "'since' is a day or a time: 2024-01-31");
  EXPECT_EQ(payload("Import", R"({"since":"2024-01-31","pages":"1"})"), "'pages' is a number");
  EXPECT_EQ(payload("Import", R"({"since":"2024-01-31","dry":1})"), "'dry' is true or false");
  EXPECT_EQ(payload("Import", R"({"since":"2024-01-31","filter":"{"})"),
            "'filter' is not valid JSON");
  EXPECT_EQ(payload("Import", R"({"since":"2024-01-31","days":["2024-01-01"]})"),
            R"('days' is two days: ["2024-01-01","2024-01-31"])");
  EXPECT_EQ(payload("Import", R"({"since":"2024-01-31","note":5})"), "'note' is a text");
  EXPECT_EQ(payload("Import", R"({"since":"2024-01-31","form":1})"),
            "the job 'Import' is given no 'form'");
}

TEST(PublicJobs, AJobThatAsksForNothingTakesAnything) {
  EXPECT_EQ(payload("Forget everything", R"({"really":true})"), R"({"really":true})");
  EXPECT_EQ(payload("Odd", "{}"), "{}");
}

TEST(PublicJobs, OnlyThoseThatAreDeclared) {
  EXPECT_EQ(payload("import", "{}"),
            "the app has no public job 'import', but: Import, Forget everything, Odd");
  EXPECT_EQ(public_job_payload("{}", "a", "{}").error().message,
            "the app has no job that may be started: its plugin.json has no publicJobs");
  EXPECT_EQ(public_job_payload("{}", "a", "{}").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace penstock::catalog
