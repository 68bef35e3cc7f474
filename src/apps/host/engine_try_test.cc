// Goal: a dry run does nothing to the world, and a compilation runs nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/host/engine_fixture_test.h"

namespace penstock::apps {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class EngineTryTest : public EngineTest {
 protected:
  Result<AppResult> tried(AppConfig config, TryOptions how) {
    std::optional<Result<AppResult>> out;
    on_loop([&] {
      apps->try_out(std::move(config), event("a"), how,
                    [&](Result<AppResult> result, std::vector<LogEntry> lines) {
                      logs.clear();
                      for (LogEntry& line : lines) logs.push_back(std::move(line.message));
                      out = std::move(result);
                    });
    });
    run_until([&] { return out.has_value(); });
    return std::move(*out);
  }
  std::vector<std::string> logs;
};

TEST_F(EngineTryTest, ADryRunReadsAndDoesNothing) {
  make();
  const auto out = tried(js(7, R"(
    const attempt = async (name, work) => {
      try { console.log(name, String(await work())) }
      catch (error) { console.log(name, 'refused', error.message) }
    };
    export async function processEvent(event, { storage, cache, jobs }) {
      await attempt('read', () => storage.get('k', 'nothing'));
      await attempt('write', () => storage.set('k', 1));
      await attempt('read', () => storage.get('k', 'nothing'));
      await attempt('job', () => jobs.later({}).runNow());
      await attempt('capture', () => posthog.capture('made', {}));
      await attempt('count', () => cache.incr('n'));
      await attempt('fetch', () => fetch('http://example.com/'));
      event.properties.ran = true;
      return event })"),
                         {.dry = true});
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_THAT(out->json, HasSubstr(R"("ran":true)"));
  EXPECT_THAT(logs,
              ElementsAre("read nothing", "write undefined", "read nothing", "job undefined",
                          "capture undefined", "count refused cache.incr is not done in a dry run",
                          HasSubstr("reason: fetch is not done in a dry run")));
  EXPECT_TRUE(sink.captured.empty());
}

TEST_F(EngineTryTest, ACompilationRunsNothingAndSaysWhereItEnds) {
  make();
  AppConfig good = js(7, "console.log('ran'); throw new Error('ran')");
  ASSERT_TRUE(tried(good, {.only_compile = true}));
  EXPECT_THAT(logs, ElementsAre());

  ASSERT_TRUE(tried(js(7, "const a = 1\nconst b = = 2\n"), {.only_compile = true}));
  ASSERT_EQ(logs.size(), 1U);
  EXPECT_THAT(logs[0], StartsWith(R"({"file":"index.js","line":2,"column":11,"message":")"));

  ASSERT_TRUE(tried(js(7, "export const a: = 1\n"), {.only_compile = true}));
  ASSERT_EQ(logs.size(), 1U);
  EXPECT_THAT(logs[0], StartsWith(R"({"file":"index.js","line":1,"column":17,)"));
}

TEST_F(EngineTryTest, ACompilationFindsImportsThatCannotBeHad) {
  make();
  const auto found = [&](std::map<std::string, std::string> files) {
    AppConfig app = js(7, "");
    auto package = std::make_shared<AppPackage>(*app.package);
    package->files = std::move(files);
    app.package = std::move(package);
    EXPECT_TRUE(tried(app, {.only_compile = true}));
  };
  // What nothing of the app asks for, and what is only asked for where it can be caught.
  found({{"index.ts",
          "import type { A } from 'left-pad'\nimport { b } from './b'\nimport 'url'\n"
          "/*\nconst x = require('a-comment')\n*/\nlet c\ntry { c = require('optional') } catch "
          "{}\nexport const d = b"},
         {"b.ts", "import * as https from 'node:crypto'\nexport const b = https"}});
  EXPECT_THAT(logs, ElementsAre());
  found({{"index.js", "const { a } = require('./lib/a')\n"},
         {"lib/a.js",
          "// a\nimport b from '../c'\nimport fs from 'fs'\nimport { Client } from 'pg'\n"
          "export const a = [b, fs, Client]"},
         {"index.test.js", "import jest from 'jest'\nconst a = = 2"}});
  ASSERT_EQ(logs.size(), 4U);
  EXPECT_THAT(logs[0], HasSubstr(R"("file":"index.test.js","line":2)"));
  EXPECT_THAT(logs[0], HasSubstr(R"("runs":false)"));
  EXPECT_THAT(logs[1],
              StartsWith(R"({"file":"lib/a.js","line":2,"column":15,"message":"Cannot import)"));
  EXPECT_THAT(logs[1], HasSubstr("no such file"));
  EXPECT_THAT(logs[2], StartsWith(R"({"file":"lib/a.js","line":3,"column":16,)"));
  EXPECT_THAT(logs[2], HasSubstr("This package is not provided"));
  EXPECT_THAT(logs[3], HasSubstr(R"("line":4,"column":24,"message":"'pg' is not provided)"));
  EXPECT_THAT(logs[3], HasSubstr(R"("runs":true)"));
  // What to do instead is said where it is known.
  EXPECT_THAT(logs[2], HasSubstr("meta.attachments"));
  EXPECT_THAT(logs[3], HasSubstr("COPY"));
  found({{"index.ts",
          "import axios from 'axios'\nimport { x } from 'left-pad'\nexport const a = [axios, x]"}});
  ASSERT_EQ(logs.size(), 2U);
  EXPECT_THAT(logs[0], HasSubstr("Use fetch"));
  EXPECT_THAT(logs[1], HasSubstr("Bundle it"));
}

TEST_F(EngineTryTest, ACompilationTellsOfDecoratorsAndTakesAwaitOutsideOfFunctions) {
  make();
  const auto told = [&](const char* file, const std::string& code) {
    AppConfig app = js(7, "");
    auto package = std::make_shared<AppPackage>(*app.package);
    package->files = {{file, code}};
    app.package = std::move(package);
    EXPECT_TRUE(tried(app, {.only_compile = true}));
    return logs.empty() ? std::string() : logs[0];
  };
  // What only looks like one.
  EXPECT_EQ(told("index.ts",
                 "import { Plugin } from '@posthog/plugin-scaffold'\n/**\n * @param a\n */\n"
                 "export const a: string = `\n @b` // @c\n"),
            "");
  const std::string wrong =
      told("index.ts", "const log = (t: any) => t\nexport class A {\n  @log run(): void {}\n}\n");
  EXPECT_THAT(wrong, StartsWith(R"({"file":"index.ts","line":3,"column":3,)"));
  EXPECT_THAT(wrong, HasSubstr("decorators are not run"));
  EXPECT_EQ(told("index.js", "const a = await Promise.resolve(1)\nexport { a }\n"), "");
  EXPECT_THAT(told("index.js", "const a = await Promise.resolve(1)\nconst b = = 2\nexport { a }\n"),
              HasSubstr(R"("line":)"));
}

}  // namespace
}  // namespace penstock::apps
