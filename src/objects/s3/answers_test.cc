// Goal: what S3 servers answer is understood, what they answer by mistake is an error with a name.
#include "objects/s3/answers.h"

#include <gtest/gtest.h>

namespace penstock::objects::s3 {
namespace {

Error error_of(int status, const std::string& body, bool changes = false) {
  const Status s = status_of({status, body, {}}, "put", changes);
  return s ? Error{Code::kBug, "no error"} : s.error();
}
std::string error_text(const std::string& code, const std::string& message = "m") {
  return "<?xml version=\"1.0\"?><Error><Code>" + code + "</Code><Message>" + message +
         "</Message></Error>";
}

TEST(Answers, ErrorsByTheirName) {
  EXPECT_EQ(error_of(404, error_text("NoSuchKey")).code, Code::kNotFound);
  EXPECT_EQ(error_of(404, error_text("NoSuchBucket")).code, Code::kUnavailable);
  EXPECT_EQ(error_of(412, error_text("PreconditionFailed")).code, Code::kConflict);
  EXPECT_EQ(error_of(409, error_text("ConditionalRequestConflict")).code, Code::kUnavailable);
  EXPECT_EQ(error_of(403, error_text("SignatureDoesNotMatch")).code, Code::kDenied);
  EXPECT_EQ(error_of(503, error_text("SlowDown")).code, Code::kBusy);
  EXPECT_EQ(error_of(400, error_text("BadDigest")).code, Code::kUnavailable);
  EXPECT_EQ(error_of(507, error_text("XMinioStorageFull")).code, Code::kExhausted);
  EXPECT_EQ(error_of(400, error_text("InvalidArgument", "no such header")).message,
            "S3: put: 400 InvalidArgument: no such header");
}

TEST(Answers, ErrorsByStatusAlone) {
  EXPECT_EQ(error_of(500, "", true).code, Code::kMaybe);
  EXPECT_EQ(error_of(500, "", false).code, Code::kUnavailable);
  EXPECT_EQ(error_of(502, "<html>Bad gateway").code, Code::kUnavailable);
  EXPECT_EQ(error_of(301, "").code, Code::kInvalid);
  EXPECT_EQ(error_of(200, error_text("InternalError"), true).code, Code::kMaybe)
      << "an upload that failed after its answer had begun";
  EXPECT_TRUE(status_of({204, "", {}}, "put", true).has_value());
  const std::string long_message(5000, 'x');
  EXPECT_LT(error_of(400, error_text("A", long_message)).message.size(), 300U);
}

TEST(Answers, Lists) {
  const auto page = read_page(
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><IsTruncated>true"
      "</IsTruncated><Contents><Key>a/b&amp;c</Key><Size>5368709120</Size></Contents>"
      "<NextContinuationToken>t==</NextContinuationToken></ListBucketResult>");
  ASSERT_TRUE(page.has_value());
  ASSERT_EQ(page->objects.size(), 1U);
  EXPECT_EQ(page->objects[0], (ObjectInfo{"a/b&c", 5368709120}));
  EXPECT_EQ(page->next, "t==");
  const auto uploads = read_uploads(
      "<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>u</UploadId>"
      "<Initiated>2026-11-28T10:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>");
  ASSERT_TRUE(uploads.has_value());
  EXPECT_EQ(uploads->at(0).begun_at, "2026-11-28T10:00:00.000Z");
  EXPECT_EQ(*read_upload_id("<InitiateMultipartUploadResult><UploadId>u</UploadId>"
                            "</InitiateMultipartUploadResult>"),
            "u");
}

TEST(Answers, WhatIsNoAnswerIsCorrupt) {
  for (const char* text : {"", "<", "<html></html>", "{}", "<ListBucketResult>"}) {
    EXPECT_EQ(read_page(text).error().code, Code::kCorrupt) << text;
    EXPECT_EQ(read_uploads(text).error().code, Code::kCorrupt) << text;
    EXPECT_EQ(read_upload_id(text).error().code, Code::kCorrupt) << text;
  }
}

TEST(Answers, PartsAreNamedInOrder) {
  EXPECT_EQ(complete_text({{1, "\"e1\"", "c1"}, {2, "e2", "c2"}}),
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag>"
            "<ChecksumCRC32C>c1</ChecksumCRC32C></Part><Part><PartNumber>2</PartNumber>"
            "<ETag>e2</ETag><ChecksumCRC32C>c2</ChecksumCRC32C></Part></CompleteMultipartUpload>");
}

TEST(S3Options, AreReadAndChecked) {
  S3Options o;
  ASSERT_TRUE(read_s3_url("s3://my-bucket/of/us/", o).has_value());
  EXPECT_EQ(o.bucket, "my-bucket");
  EXPECT_EQ(o.prefix, "of/us");
  EXPECT_FALSE(read_s3_url("https://my-bucket", o).has_value());
  o.endpoint = "https://s3.eu-central-1.amazonaws.com";
  o.access_key = "a";
  o.secret_key = "b";
  EXPECT_TRUE(check_s3_options(o).has_value()) << check_s3_options(o).error().message;
  const auto refused = [&o](auto change) {
    S3Options other = o;
    change(other);
    const Status s = check_s3_options(other);
    return !s && s.error().code == Code::kInvalid;
  };
  EXPECT_TRUE(refused([](S3Options& x) { x.endpoint = "s3.amazonaws.com"; }));
  EXPECT_TRUE(refused([](S3Options& x) { x.endpoint = "https://host/path"; }));
  EXPECT_TRUE(refused([](S3Options& x) { x.endpoint = "ftp://host"; }));
  EXPECT_TRUE(refused([](S3Options& x) { x.bucket = "My_Bucket"; }));
  EXPECT_TRUE(refused([](S3Options& x) { x.prefix = "../up"; }));
  EXPECT_TRUE(refused([](S3Options& x) { x.secret_key = ""; }));
  EXPECT_TRUE(refused([](S3Options& x) { x.encryption = "rot13"; }));
  EXPECT_TRUE(refused([](S3Options& x) { x.part_bytes = 1 << 20; }));
}

}  // namespace
}  // namespace penstock::objects::s3
