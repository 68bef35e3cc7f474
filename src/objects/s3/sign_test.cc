// Goal: signatures are those of AWS's own published examples, byte for byte.
#include "objects/s3/sign.h"

#include <gtest/gtest.h>

namespace penstock::objects::s3 {
namespace {

constexpr Credentials kExample{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                               "us-east-1"};

std::string signature(std::string_view method, std::string_view path, const Query& query,
                      Headers more, std::string_view body = "") {
  more["host"] = "examplebucket.s3.amazonaws.com";
  more["x-amz-date"] = "20130524T000000Z";
  more["x-amz-content-sha256"] = sha256_hex(body);
  const std::string out = authorization(method, path, query, more, kExample);
  return out.substr(out.rfind('=') + 1);
}

TEST(Sign, PublishedExamples) {
  EXPECT_EQ(signature("GET", "/test.txt", {}, {{"range", "bytes=0-9"}}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(signature("PUT", "/" + encoded("test$file.text", true), {},
                      {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                       {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                      "Welcome to Amazon S3."),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_EQ(signature("GET", "/", {{"lifecycle", ""}}, {}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(signature("GET", "/", {{"max-keys", "2"}, {"prefix", "J"}}, {}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(Sign, NamesWhatItSigned) {
  const std::string out = authorization("GET", "/", {},
                                        {{"host", "h"},
                                         {"x-amz-content-sha256", sha256_hex("")},
                                         {"x-amz-date", amz_date(1'369'353'600'000'000)}},
                                        kExample);
  EXPECT_TRUE(out.starts_with(
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
      "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="))
      << out;
}

TEST(Sign, EncodesAsTheSignatureWantsIt) {
  EXPECT_EQ(encoded("a/b=c d~\xc3\xa9", true), "a/b%3Dc%20d~%C3%A9");
  EXPECT_EQ(encoded("a/b", false), "a%2Fb");
  EXPECT_EQ(query_text({{"b", "2"}, {"a", "x/y"}, {"uploads", ""}}), "a=x%2Fy&b=2&uploads=");
}

}  // namespace
}  // namespace penstock::objects::s3
