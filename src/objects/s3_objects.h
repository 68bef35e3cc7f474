// S3Objects: the ObjectStore on S3 or whatever speaks its protocol (MinIO, SeaweedFS, Ceph, R2).
//
// Needs of the other side: Signature Version 4, ListObjectsV2, multipart uploads, and
// `If-None-Match: *` on puts (S3 since August 2024). Every body is signed by its SHA-256 and sent
// with its CRC32C, and what comes back whole is compared with the checksum that was stored, where
// the other side keeps one. What is larger than a part goes up in parts, which nobody sees before
// the last is there.
//
// It never repeats a call by itself: put `make_retrying_objects` around it. Threads: as
// ObjectStore; each call under way holds a connection, which is kept for the next.
// Several processes may share a bucket and a prefix.
#pragma once

#include "objects/object_store.h"

namespace penstock::objects {

struct S3Options {
  std::string endpoint;  // "https://s3.eu-central-1.amazonaws.com", "http://127.0.0.1:9000"
  std::string region = "us-east-1";
  std::string bucket;
  std::string prefix;      // before every key, a valid key itself; empty: none
  bool path_style = true;  // https://host/bucket/key, not https://bucket.host/key
  std::string access_key;  // never in a message or a log, as the next two
  std::string secret_key;
  std::string session_token;      // of temporary credentials; else empty
  std::string encryption;         // "": the bucket's default, "AES256", "aws:kms"
  std::string kms_key;            // for aws:kms; empty: the account's own
  size_t part_bytes = 16U << 20;  // at least 5 MiB, which is S3's least
};

/// Reads "s3://bucket" or "s3://bucket/prefix" into `out`. kInvalid says what is wrong.
Status read_s3_url(std::string_view url, S3Options& out);
/// kInvalid names the option that cannot be; asks nobody.
Status check_s3_options(const S3Options& options);

/// `start` asks for the bucket once, so that wrong credentials are known then (kDenied), and ends
/// multipart uploads below the prefix that were begun more than a day ago.
std::unique_ptr<ObjectStore> make_s3_objects(runtime::Runtime& runtime, S3Options options);

}  // namespace penstock::objects
