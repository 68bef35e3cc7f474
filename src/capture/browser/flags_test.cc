// /flags and /decide: every version's shape, every body form, every refusal.
#include <gtest/gtest.h>
#include <libdeflate.h>

#include <algorithm>

#include "capture/browser/testing/asked.h"

namespace penstock::capture {
namespace {

/// One flag of every kind that matters to the shapes.
constexpr std::string_view kFlags = R"({"flags":[
  {"id":1,"key":"on","active":true,"version":3,
   "filters":{"groups":[{"rollout_percentage":100}],"payloads":{"true":"{\"a\":1}"}}},
  {"id":2,"key":"variants","experiment_set":[7],
   "filters":{"groups":[{}],"payloads":{"blue":{"b":2}},
              "multivariate":{"variants":[{"key":"red","rollout_percentage":0},
                                          {"key":"blue","rollout_percentage":100}]}}},
  {"id":3,"key":"nobody","filters":{"groups":[{"rollout_percentage":0}],
                                    "payloads":{"true":"1"}}},
  {"id":4,"key":"off","active":false,"filters":{"groups":[{}]}},
  {"id":5,"key":"gone","deleted":true,"filters":{"groups":[{}]}}]})";
constexpr std::string_view kWithFailure = R"({"flags":[
  {"id":1,"key":"on","filters":{"groups":[{}]}},
  {"id":2,"key":"asks","filters":{"groups":[{"properties":[{"key":"email","type":"person"}]}],
                                  "payloads":{"true":"1"}}}]})";

class FlagsTest : public BrowserTest {
 protected:
  static constexpr std::string_view kBody = R"({"token":"phc_shop","distinct_id":"eve"})";
};

TEST_F(FlagsTest, Version2TellsEverythingOfEveryFlag) {
  set("feature_flags", std::string(kFlags));
  const Asked got = flags(kBody);
  ASSERT_EQ(got.status, 200);
  EXPECT_EQ(got.json({"errorsWhileComputingFlags"}), "false");
  EXPECT_EQ(got.json({"flags", "on"}),
            R"({"key":"on","enabled":true,"variant":null,"reason":{"code":"condition_match",)"
            R"("condition_index":0,"description":"Matched condition set 1"},"metadata":{"id":1,)"
            R"("version":3,"description":null,"payload":"{\"a\":1}","has_experiment":false}})");
  EXPECT_EQ(got.json({"flags", "variants", "variant"}), "\"blue\"");
  EXPECT_EQ(got.json({"flags", "variants", "metadata", "payload"}), R"("{\"b\":2}")");
  EXPECT_EQ(got.json({"flags", "variants", "metadata", "has_experiment"}), "true");
  EXPECT_EQ(got.json({"flags", "nobody", "enabled"}), "false");
  EXPECT_EQ(got.json({"flags", "nobody", "reason", "code"}), "\"out_of_rollout_bound\"");
  EXPECT_EQ(got.json({"flags", "nobody", "metadata", "payload"}), "null");
  EXPECT_EQ(got.json({"flags", "off", "reason", "code"}), "\"flag_disabled\"");
  EXPECT_EQ(got.json({"flags", "off", "reason", "condition_index"}), "null");
  EXPECT_EQ(got.json({"flags", "gone"}), "");
  EXPECT_EQ(got.json({"evaluatedAt"}), std::to_string(runtime_.clock().wall_ms() - 50));
  EXPECT_TRUE(Uuid::parse(got.json({"requestId"}).substr(1, 36)));
  EXPECT_EQ(got.json({"supportedCompression"}), "") << "no config unless it is asked for";
}

TEST_F(FlagsTest, Version3AndLaterAreTyped) {
  set("feature_flags", std::string(kFlags));
  for (const char* version : {"3", "4", "7"}) {
    const Asked got = flags(kBody, "/flags/?v=" + std::string(version));
    EXPECT_EQ(got.json({"flags", "on", "value"}), "true") << version;
    EXPECT_EQ(got.json({"flags", "on", "enabled"}), "");
    EXPECT_EQ(got.json({"flags", "variants", "value"}), "\"blue\"");
    EXPECT_EQ(got.json({"flags", "variants", "metadata", "variant_key"}), "\"blue\"");
    EXPECT_EQ(got.json({"flags", "nobody", "value"}), "false");
    EXPECT_EQ(got.json({"flags", "on", "metadata", "config_version"}), "1");
  }
}

TEST_F(FlagsTest, OlderShapes) {
  set("feature_flags", std::string(kFlags));
  const std::string values = R"({"on":true,"variants":"blue","nobody":false,"off":false})";
  for (const char* path : {"/flags/?v=1", "/decide/?v=3"}) {
    const Asked got = flags(kBody, path);
    EXPECT_EQ(got.json({"featureFlags"}), values) << path;
    EXPECT_EQ(got.json({"featureFlagPayloads"}), R"({"on":"{\"a\":1}","variants":"{\"b\":2}"})");
    EXPECT_EQ(got.json({"errorsWhileComputingFlags"}), "false");
    EXPECT_EQ(got.json({"flags"}), "");
  }
  const Asked two = flags(kBody, "/decide/?v=2");
  EXPECT_EQ(two.json({"featureFlags"}), R"({"on":true,"variants":"blue"})");
  EXPECT_EQ(two.json({"featureFlagPayloads"}), "");
  for (const char* path : {"/decide/", "/decide?v=1", "/decide/?ver=1.2.3"}) {
    EXPECT_EQ(flags(kBody, path).json({"featureFlags"}), R"(["on","variants"])") << path;
  }
  EXPECT_EQ(flags(kBody, "/decide/?v=4").json({"flags", "on", "enabled"}), "true");
}

TEST_F(FlagsTest, AFlagThatCannotBeDecidedIsNeverAnsweredWrongly) {
  set("feature_flags", std::string(kWithFailure));
  const Asked two = flags(kBody);
  EXPECT_EQ(two.json({"errorsWhileComputingFlags"}), "true");
  EXPECT_EQ(two.json({"flags", "asks", "failed"}), "true");
  EXPECT_EQ(two.json({"flags", "asks", "enabled"}), "false");
  EXPECT_EQ(two.json({"flags", "asks", "metadata", "payload"}), "null");
  EXPECT_EQ(two.json({"flags", "asks", "reason", "code"}), "\"properties_not_evaluated\"");
  EXPECT_EQ(two.json({"flags", "on", "failed"}), "");
  EXPECT_EQ(flags(kBody, "/flags/?v=4").json({"flags", "asks", "failed"}), "true");
  for (const char* path : {"/flags/?v=1", "/decide/?v=3"}) {
    const Asked got = flags(kBody, path);
    EXPECT_EQ(got.json({"featureFlags"}), R"({"on":true})") << "left out, so that it is kept";
    EXPECT_EQ(got.json({"errorsWhileComputingFlags"}), "true");
  }
  EXPECT_EQ(flags(kBody, "/decide/?v=2").json({"featureFlags"}), R"({"on":true})");
  EXPECT_EQ(flags(kBody, "/decide/").json({"featureFlags"}), R"(["on"])");
}

TEST_F(FlagsTest, ConfigIsTopLevelWhereItIsAskedFor) {
  set("remote_config", R"({"heatmaps":true})");
  for (const char* path : {"/flags/?v=2&config=true", "/flags/?v=2&config=1", "/flags/", "/decide/",
                           "/decide/?v=3", "/flags?config=true"}) {
    const Asked got = flags(kBody, path);
    EXPECT_EQ(got.json({"heatmaps"}), "true") << path;
    EXPECT_EQ(got.json({"config"}), R"({"enable_collect_everything":true})") << path;
  }
  for (const char* path : {"/flags/?v=2", "/flags/?v=2&config=false", "/flags/?v=1"}) {
    EXPECT_EQ(flags(kBody, path).json({"heatmaps"}), "") << path;
  }
  EXPECT_EQ(flags(kBody, "/flags/").json({"flags"}), "{}") << "bare: version 2 with config";
  EXPECT_EQ(flags(kBody, "/flags?config=true").json({"featureFlags"}), "{}");
}

TEST_F(FlagsTest, MethodsWithoutABody) {
  set("feature_flags", std::string(kFlags));
  for (const char* method : {"GET", "HEAD"}) {
    const Asked got = ask(method, "/flags/?v=2&token=phc_shop&distinct_id=eve");
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.json({"flags"}), "{}");
    EXPECT_EQ(got.json({"supportedCompression"}), R"(["gzip","gzip-js"])");
  }
  const Asked options = ask("OPTIONS", "/flags/");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("Allow"), "GET, POST, OPTIONS, HEAD");
  const Asked preflight = ask("OPTIONS", "/flags/", {},
                              {{"origin", "https://shop.example"},
                               {"access-control-request-method", "POST"},
                               {"access-control-request-headers", "x-a"}});
  EXPECT_EQ(preflight.status, 200);
  EXPECT_EQ(preflight.header("access-control-allow-origin"), "https://shop.example");
  EXPECT_EQ(preflight.header("access-control-allow-headers"), "x-a");
  for (const char* method : {"PUT", "DELETE", "PATCH"}) {
    EXPECT_EQ(ask(method, "/flags/").status, 405) << method;
  }
}

TEST_F(FlagsTest, EveryBodyFormIsUnderstood) {
  set("feature_flags", std::string(kFlags));
  const std::string body(kBody);
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(6);
  std::string gzip(1000, '\0');
  gzip.resize(libdeflate_gzip_compress(compressor, body.data(), body.size(), gzip.data(), 1000));
  libdeflate_free_compressor(compressor);
  // {"token":"phc_shop","distinct_id":"eve"}
  const std::string base64 = "eyJ0b2tlbiI6InBoY19zaG9wIiwiZGlzdGluY3RfaWQiOiJldmUifQ==";
  const std::string form = "data=eyJ0b2tlbiI6InBoY19zaG9wIiwiZGlzdGluY3RfaWQiOiJldmUifQ%3D%3D";
  const wire::Header json{"content-type", "application/json"}, text{"content-type", "text/plain"},
      is_form{"content-type", "application/x-www-form-urlencoded"};
  EXPECT_EQ(flags(body, "/flags/?v=2", {json}).json({"flags", "on", "enabled"}), "true");
  EXPECT_EQ(flags(body, "/flags/?v=2", {text}).json({"flags", "on", "enabled"}), "true");
  EXPECT_EQ(flags(gzip, "/flags/?v=2", {text}).json({"flags", "on", "enabled"}), "true");
  EXPECT_EQ(flags(gzip, "/flags/?v=2", {json, {"content-encoding", "gzip"}}).status, 200);
  EXPECT_EQ(flags(gzip, "/flags/?v=2&compression=gzip-js", {text}).status, 200);
  EXPECT_EQ(flags(base64, "/flags/?v=2&compression=base64", {text}).status, 200);
  EXPECT_EQ(flags(form, "/flags/?v=2&compression=base64", {is_form}).status, 200);
  EXPECT_EQ(flags(form, "/decide/?v=3&ip=1&_=1700000000000&ver=1.50.0", {is_form}).status, 200);
}

TEST_F(FlagsTest, WhatSdksSendIsTolerated) {
  set("feature_flags", std::string(kFlags));
  for (const char* body : {
           R"({"api_key":"phc_shop","distinct_id":"eve","device_id":null,"groups":{},
               "person_properties":{"a":null},"group_properties":{},"geoip_disable":true,
               "sent_at":"2026-01-01T00:00:00Z","flag_keys_to_evaluate":null})",
           R"({"$token":"phc_shop","$distinct_id":17,"$anon_distinct_id":"a","$device_id":"d",
               "timezone":"Europe/Paris","$groups":{"company":"acme"}})",
           R"({"token":"phc_shop","distinct_id":""})",
           R"({"token":"phc_shop","distinct_id":"e","person_properties":{"a":NaN,"b":-Infinity,
               "c":"NaN \" Infinity"}})",
           R"({"token":null,"api_key":"phc_shop","distinct_id":1.5})"}) {
    const Asked got = flags(body);
    EXPECT_EQ(got.status, 200) << body;
    EXPECT_EQ(got.json({"flags", "on", "enabled"}), "true") << got.body;
  }
}

TEST_F(FlagsTest, Refusals) {
  const struct {
    const char* body;
    int status;
    const char* code;
  } cases[] = {
      {R"({"distinct_id":"e"})", 401, "missing_token"},
      {R"({"token":"","distinct_id":"e"})", 401, "missing_token"},
      {R"({"token":"phc_other","distinct_id":"e"})", 401, "invalid_token"},
      {R"({"token":"phc_shop"})", 400, "missing_distinct_id"},
      {R"({"token":"phc_shop","distinct_id":null})", 400, "missing_distinct_id"},
      {R"({"token":"phc_shop","distinct_id":{"a":1}})", 400, "request_parsing_error"},
      {R"({"token":7,"distinct_id":"e"})", 400, "request_parsing_error"},
      {R"({"token":"phc_shop","distinct_id":"e","flag_keys":"on"})", 400, "request_parsing_error"},
      {"[1]", 400, "request_parsing_error"},
      {"{", 400, "request_parsing_error"},
      {"", 400, "request_decoding_error"},
      {"\x1f\x8b\x08 not gzip", 400, "request_decoding_error"},
      {"{\"a\":\"\xff\"}", 400, "request_decoding_error"},
  };
  for (const auto& c : cases) {
    const Asked got = flags(c.body, "/flags/?v=2", {{"origin", "https://shop.example"}});
    EXPECT_EQ(got.status, c.status) << c.body;
    EXPECT_EQ(got.json({"code"}), "\"" + std::string(c.code) + "\"") << c.body;
    EXPECT_EQ(got.json({"attr"}), "null");
    EXPECT_EQ(got.json({"type"}),
              c.status == 401 ? "\"authentication_error\"" : "\"validation_error\"");
    EXPECT_EQ(got.header("access-control-allow-origin"), "https://shop.example");
  }
}

TEST_F(FlagsTest, ABombIs413) {
  const std::string zeros(11U << 20, ' ');
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(6);
  std::string gzip(1U << 20, '\0');
  gzip.resize(
      libdeflate_gzip_compress(compressor, zeros.data(), zeros.size(), gzip.data(), gzip.size()));
  libdeflate_free_compressor(compressor);
  const Asked got = flags(gzip);
  EXPECT_EQ(got.status, 413);
  EXPECT_EQ(got.json({"code"}), "\"payload_too_large\"");
}

TEST_F(FlagsTest, OnlyWhatIsAskedForIsAnswered) {
  set("feature_flags", R"({"flags":[{"id":1,"key":"a","filters":{"groups":[{}]}},
      {"id":2,"key":"b","filters":{"groups":[{}]}},
      {"id":3,"key":"survey-targeting-x","filters":{"groups":[{}]}}]})");
  const auto keys = [](const Asked& got) {
    std::string out;
    const std::string text = got.json({"flags"});
    const auto fields = event::JsonFields::parse(text);
    if (!fields) return std::string("?");
    for (const auto& field : fields->fields()) out += std::string(field.key) + " ";
    return out;
  };
  const std::string with = R"({"token":"phc_shop","distinct_id":"eve",)";
  EXPECT_EQ(keys(flags(with + R"("flag_keys":["b","nope"]})")), "b ");
  EXPECT_EQ(keys(flags(with + R"("flag_keys_to_evaluate":["a"]})")), "a ");
  EXPECT_EQ(keys(flags(with + R"("flag_keys":[]})")), "");
  EXPECT_EQ(keys(flags(with + R"("disable_flags":true})")), "");
  EXPECT_EQ(flags(R"({"token":"phc_shop","disable_flags":true})").status, 200);
  EXPECT_EQ(keys(flags(kBody, "/flags/?v=2&only_evaluate_survey_feature_flags=true")),
            "survey-targeting-x ");
}

TEST_F(FlagsTest, WhatIsForServersIsNotToldToBrowsers) {
  set("feature_flags", R"({"flags":[
      {"id":1,"key":"all","filters":{"groups":[{}]}},
      {"id":2,"key":"server","evaluation_runtime":"server","filters":{"groups":[{}]}},
      {"id":3,"key":"client","evaluation_runtime":"client","filters":{"groups":[{}]}},
      {"id":4,"key":"web","evaluation_contexts":["web"],"filters":{"groups":[{}]}}]})");
  const auto told = [this](std::string_view body, std::vector<wire::Header> headers) {
    const Asked got = flags(body, "/flags/?v=1", std::move(headers));
    std::string values = got.json({"featureFlags"});
    std::erase(values, '"');
    return values;
  };
  EXPECT_EQ(told(kBody, {{"user-agent", "Mozilla/5.0"}}), "{all:true,client:true,web:true}");
  EXPECT_EQ(told(kBody, {{"origin", "https://a.example"}}), "{all:true,client:true,web:true}");
  EXPECT_EQ(told(kBody, {{"user-agent", "posthog-ios/3"}}), "{all:true,client:true,web:true}");
  EXPECT_EQ(told(kBody, {{"user-agent", "posthog-node/5"}}), "{all:true,server:true,web:true}");
  EXPECT_EQ(told(kBody, {}), "{all:true,web:true}");
  const std::string with = R"({"token":"phc_shop","distinct_id":"eve",)";
  EXPECT_EQ(told(with + R"("evaluation_runtime":"server"})", {{"user-agent", "Mozilla/5.0"}}),
            "{all:true,server:true,web:true}");
  EXPECT_EQ(told(with + R"("evaluation_contexts":["app"]})", {}), "{all:true}");
  EXPECT_EQ(told(with + R"("evaluation_environments":["web","app"]})", {}), "{all:true,web:true}");
}

TEST_F(FlagsTest, AProjectOverItsQuotaGetsNoFlagsAndIsTold) {
  set("feature_flags", std::string(kFlags));
  set("admission",
      R"({"quotas":[{"resource":"feature_flags","limited_until":"2999-01-01T00:00:00Z"}]})");
  const Asked got = flags(kBody);
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.json({"flags"}), "{}");
  EXPECT_EQ(got.json({"quotaLimited"}), R"(["feature_flags"])");
  EXPECT_EQ(got.json({"quota_limited"}), R"(["feature_flags"])");
  set("admission",
      R"({"quotas":[{"resource":"feature_flags","limited_until":"2001-01-01T00:00:00Z"}]})");
  EXPECT_EQ(flags(kBody).json({"quotaLimited"}), "");
}

TEST_F(FlagsTest, AMonthsRequestsAreCounted) {
  set("feature_flags", std::string(kFlags));
  set("admission", R"({"quotas":[{"resource":"feature_flags","events_per_month_max":2}]})");
  for (int i = 0; i < 3; i++) {
    EXPECT_EQ(flags(R"({"token":"phc_shop","disable_flags":true})").json({"quotaLimited"}), "");
  }
  EXPECT_EQ(flags(kBody).json({"flags", "on", "enabled"}), "true");
  EXPECT_EQ(flags(kBody).json({"flags", "on", "enabled"}), "true");
  EXPECT_EQ(flags(kBody).json({"quotaLimited"}), R"(["feature_flags"])");
}

}  // namespace
}  // namespace penstock::capture
