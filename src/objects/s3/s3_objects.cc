// Objects in a bucket: one request each, large ones in parts.
#include "objects/s3_objects.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/base64.h"
#include "base/hash.h"
#include "objects/s3/answers.h"
#include "objects/s3/session.h"

namespace penstock::objects {
namespace {

using s3::Answer;
using s3::Ask;
using s3::Headers;

constexpr size_t kPartBytesMin = 5U << 20;
constexpr uint64_t kErrorMax = 64U << 10;  // of the text of an answer that is an error
constexpr size_t kPageMax = 1000;          // S3's own bound
constexpr int64_t kForgottenMs = 86'400'000;
constexpr runtime::Duration kStartPatience = std::chrono::seconds(5);
constexpr std::string_view kChecksum = "x-amz-checksum-crc32c";

/// Base64 of the sum's four bytes, the first the highest.
std::string checksum_text(std::string_view bytes) {
  const uint32_t sum = crc32c(bytes);
  const std::array<char, 4> raw{static_cast<char>(sum >> 24), static_cast<char>(sum >> 16),
                                static_cast<char>(sum >> 8), static_cast<char>(sum)};
  return base64({raw.data(), raw.size()});
}

class S3Objects final : public ObjectStore {
 public:
  S3Objects(runtime::Runtime& runtime, S3Options options)
      : clock_(runtime.clock()), options_(std::move(options)), session_(clock_, options_) {}

  Status start() override {
    PENSTOCK_CHECK(check_s3_options(options_));
    const int64_t until = deadline(kStartPatience);
    Ask ask{.method = "GET", .key = ""};
    ask.query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", full("")}};
    PENSTOCK_TRY(const Answer answer, session_.send(ask, until));
    PENSTOCK_CHECK(s3::status_of(answer, "the bucket " + options_.bucket, false));
    return end_forgotten_uploads(until);
  }

  Status put(std::string_view key, std::string_view bytes, Duration within) override {
    return store(key, bytes, true, deadline(within));
  }
  Status put_if_absent(std::string_view key, std::string_view bytes, Duration within) override {
    return store(key, bytes, false, deadline(within));
  }

  Result<std::string> get(std::string_view key, ByteRange range, Duration within) override {
    const int64_t until = deadline(within);
    if (!key_is_valid(key)) return fail(Code::kNotFound, "there is no such object");
    const bool whole = range.from == 0 && range.length > kObjectBytesMax;
    if (range.length == 0) return nothing_of(key, range, until);
    Ask ask{.method = "GET", .key = full(key)};
    ask.answer_max = std::clamp<uint64_t>(range.length, kErrorMax, kObjectBytesMax);
    if (whole) {
      ask.headers["x-amz-checksum-mode"] = "ENABLED";
    } else {
      const uint64_t last = range.length > kObjectBytesMax ? range.from + kObjectBytesMax
                                                           : range.from + range.length - 1;
      ask.headers["range"] = fmt::format("bytes={}-{}", range.from, last);
    }
    PENSTOCK_TRY(Answer answer, session_.send(ask, until));
    if (answer.status == 416) return nothing_of(key, range, until);
    if (answer.status != 200 && answer.status != 206) {
      PENSTOCK_CHECK(s3::status_of(answer, "get", false));
      return fail(Code::kCorrupt, "S3: get: an answer that makes no sense");
    }
    if (!whole && (answer.status != 206 || answer.body.size() > range.length)) {
      return fail(Code::kCorrupt, "S3: get: not the range that was asked for");
    }
    const std::string_view sum = answer.header(std::string(kChecksum));
    // Of an object that came in parts it is a sum of sums, with their number behind it.
    if (whole && !sum.empty() && sum.find('-') == std::string_view::npos &&
        sum != checksum_text(answer.body)) {
      return fail(Code::kCorrupt, "S3: get: the bytes are not what their checksum says");
    }
    return std::move(answer.body);
  }

  Result<std::vector<ObjectInfo>> list(std::string_view prefix, std::string_view after,
                                       size_t limit, Duration within) override {
    const int64_t until = deadline(within);
    limit = std::min(limit, kListMax);
    std::vector<ObjectInfo> out;
    std::string next;
    while (out.size() < limit) {
      Ask ask{.method = "GET", .key = ""};
      ask.answer_max = 4U << 20;
      ask.query = {{"list-type", "2"},
                   {"max-keys", fmt::to_string(std::min(limit - out.size(), kPageMax))},
                   {"prefix", full(prefix)}};
      if (!next.empty()) {
        ask.query["continuation-token"] = next;
      } else if (!after.empty()) {
        ask.query["start-after"] = full(after);
      }
      PENSTOCK_TRY(const Answer answer, session_.send(ask, until));
      PENSTOCK_CHECK(s3::status_of(answer, "list", false));
      PENSTOCK_TRY(s3::Page page, s3::read_page(answer.body));
      for (ObjectInfo& found : page.objects) {
        found.key.erase(0, full("").size());
        // Others may keep things in the bucket whose names are no keys of ours.
        if (key_is_valid(found.key) && out.size() < limit) out.push_back(std::move(found));
      }
      next = std::move(page.next);
      if (next.empty()) break;
    }
    return out;
  }

  Status remove(std::string_view key, Duration within) override {
    PENSTOCK_CHECK(check(key));
    const Ask ask{.method = "DELETE", .key = full(key), .changes = true};
    PENSTOCK_TRY(const Answer answer, session_.send(ask, deadline(within)));
    if (answer.status == 404 && !is_missing_bucket(answer)) return {};
    return s3::status_of(answer, "remove", true);
  }

  Result<ObjectInfo> stat(std::string_view key, Duration within) override {
    if (!key_is_valid(key)) return fail(Code::kNotFound, "there is no such object");
    return stat_until(key, deadline(within));
  }

 private:
  int64_t deadline(Duration within) const {
    return clock_.mono_ns() + std::chrono::nanoseconds(within).count();
  }
  std::string full(std::string_view key) const {
    return options_.prefix.empty() ? std::string(key) : options_.prefix + "/" + std::string(key);
  }
  static Status check(std::string_view key) {
    if (!key_is_valid(key)) return fail(Code::kInvalid, "the object's key is malformed");
    return {};
  }
  static bool is_missing_bucket(const Answer& answer) {
    return answer.body.find("NoSuchBucket") != std::string::npos;
  }

  Result<ObjectInfo> stat_until(std::string_view key, int64_t until) {
    PENSTOCK_TRY(const Answer answer, session_.send({.method = "HEAD", .key = full(key)}, until));
    if (answer.status == 404) return fail(Code::kNotFound, "there is no such object");
    PENSTOCK_CHECK(s3::status_of(answer, "stat", false));
    uint64_t size = 0;
    const std::string_view text = answer.header("content-length");
    if (std::from_chars(text.data(), text.data() + text.size(), size).ec != std::errc()) {
      return fail(Code::kCorrupt, "S3: stat: an answer without a length");
    }
    return ObjectInfo{std::string(key), size};
  }

  /// A range that holds no byte: whether it may be asked for, S3 does not say in so many words.
  Result<std::string> nothing_of(std::string_view key, ByteRange range, int64_t until) {
    PENSTOCK_TRY(const ObjectInfo info, stat_until(key, until));
    if (range.from > info.size) {
      return fail(Code::kInvalid, "the range begins beyond the object's end");
    }
    return std::string();
  }

  Headers encryption() const {
    Headers out;
    if (!options_.encryption.empty()) out["x-amz-server-side-encryption"] = options_.encryption;
    if (!options_.kms_key.empty()) {
      out["x-amz-server-side-encryption-aws-kms-key-id"] = options_.kms_key;
    }
    return out;
  }

  Status store(std::string_view key, std::string_view bytes, bool replace, int64_t until) {
    PENSTOCK_CHECK(check(key));
    if (bytes.size() > kObjectBytesMax) return fail(Code::kInvalid, "the object is too large");
    if (bytes.size() > options_.part_bytes) return store_parts(key, bytes, replace, until);
    Ask ask{.method = "PUT", .key = full(key), .headers = encryption(), .body = bytes};
    ask.changes = true;
    ask.headers[std::string(kChecksum)] = checksum_text(bytes);
    if (!replace) ask.headers["if-none-match"] = "*";
    PENSTOCK_TRY(const Answer answer, session_.send(ask, until));
    return s3::status_of(answer, "put", true);
  }

  Status store_parts(std::string_view key, std::string_view bytes, bool replace, int64_t until) {
    Ask begin{.method = "POST", .key = full(key), .query = {{"uploads", ""}}};
    begin.headers = encryption();
    begin.headers["x-amz-checksum-algorithm"] = "CRC32C";
    PENSTOCK_TRY(const Answer begun, session_.send(begin, until));
    PENSTOCK_CHECK(s3::status_of(begun, "begin an upload", false));
    PENSTOCK_TRY(const std::string id, s3::read_upload_id(begun.body));
    Status done = send_parts(key, id, bytes, replace, until);
    // An upload that may be complete is not ended: that would be an answer to another question.
    if (!done && done.error().code != Code::kMaybe) end_upload(full(key), id, until);
    return done;
  }

  Status send_parts(std::string_view key, const std::string& id, std::string_view bytes,
                    bool replace, int64_t until) {
    std::vector<s3::Part> parts;
    for (size_t at = 0; at < bytes.size(); at += options_.part_bytes) {
      const std::string_view piece = bytes.substr(at, options_.part_bytes);
      s3::Part part{static_cast<int>(parts.size()) + 1, "", checksum_text(piece)};
      Ask ask{.method = "PUT", .key = full(key), .body = piece};
      ask.query = {{"partNumber", fmt::to_string(part.number)}, {"uploadId", id}};
      ask.headers[std::string(kChecksum)] = part.crc32c;
      PENSTOCK_TRY(const Answer answer, session_.send(ask, until));
      PENSTOCK_CHECK(s3::status_of(answer, "put a part", false));
      part.etag = answer.header("etag");
      parts.push_back(std::move(part));
    }
    const std::string text = s3::complete_text(parts);
    Ask ask{.method = "POST", .key = full(key), .query = {{"uploadId", id}}, .body = text};
    ask.changes = true;
    if (!replace) ask.headers["if-none-match"] = "*";
    PENSTOCK_TRY(const Answer answer, session_.send(ask, until));
    return s3::status_of(answer, "end an upload", true);
  }

  /// As far as it can; what is left is ended at some later start.
  void end_upload(const std::string& full_key, const std::string& id, int64_t until) {
    const Ask ask{.method = "DELETE", .key = full_key, .query = {{"uploadId", id}}};
    const int64_t soon = clock_.mono_ns() + std::chrono::nanoseconds(kStartPatience).count();
    (void)session_.send(ask, std::max(until, soon));
  }

  Status end_forgotten_uploads(int64_t until) {
    Ask ask{.method = "GET", .key = "", .query = {{"prefix", full("")}, {"uploads", ""}}};
    PENSTOCK_TRY(const Answer answer, session_.send(ask, until));
    // Some servers do not tell; then their own rules for such uploads have to do.
    if (answer.status != 200) return {};
    PENSTOCK_TRY(const auto uploads, s3::read_uploads(answer.body));
    const std::chrono::sys_time<std::chrono::milliseconds> then{
        std::chrono::milliseconds(clock_.wall_ms() - kForgottenMs)};
    const std::string before =
        fmt::format("{:%Y-%m-%dT%H:%M:%S}", std::chrono::floor<std::chrono::seconds>(then));
    for (const s3::Upload& u : uploads) {
      if (u.begun_at.size() > before.size() && u.begun_at < before) end_upload(u.key, u.id, until);
    }
    return {};
  }

  runtime::Clock& clock_;
  const S3Options options_;
  s3::Session session_;
};

}  // namespace

Status read_s3_url(std::string_view url, S3Options& out) {
  constexpr std::string_view kScheme = "s3://";
  if (!url.starts_with(kScheme)) return fail(Code::kInvalid, "an S3 URL begins with s3://");
  url.remove_prefix(kScheme.size());
  const size_t slash = url.find('/');
  out.bucket = url.substr(0, slash);
  out.prefix = slash == std::string_view::npos ? "" : url.substr(slash + 1);
  while (out.prefix.ends_with('/')) out.prefix.pop_back();
  return {};
}

Status check_s3_options(const S3Options& o) {
  const auto wrong = [](std::string_view what) {
    return fail(Code::kInvalid, fmt::format("S3: {}", what));
  };
  const size_t scheme = o.endpoint.find("://");
  if (scheme == std::string::npos ||
      (o.endpoint.substr(0, scheme) != "https" && o.endpoint.substr(0, scheme) != "http") ||
      o.endpoint.size() == scheme + 3) {
    return wrong("the endpoint is no http:// or https:// URL");
  }
  if (o.endpoint.find_first_of("/?#@", scheme + 3) < o.endpoint.size() - 1) {
    return wrong("the endpoint has a path; it is a scheme and a host alone");
  }
  const bool bucket_fits =
      o.bucket.size() >= 3 && o.bucket.size() <= 63 && std::ranges::all_of(o.bucket, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
      });
  if (!bucket_fits) return wrong("the bucket's name is not 3 to 63 of a-z, 0-9, '-' and '.'");
  if (!o.prefix.empty() && !key_is_valid(o.prefix)) return wrong("the prefix is malformed");
  if (o.access_key.empty() || o.secret_key.empty())
    return wrong("an access or secret key is missing");
  if (o.region.empty()) return wrong("the region is missing");
  if (!o.encryption.empty() && o.encryption != "AES256" && o.encryption != "aws:kms") {
    return wrong("the encryption is neither AES256 nor aws:kms");
  }
  if (o.part_bytes < kPartBytesMin) return wrong("parts are smaller than 5 MiB");
  return {};
}

std::unique_ptr<ObjectStore> make_s3_objects(runtime::Runtime& runtime, S3Options options) {
  return std::make_unique<S3Objects>(runtime, std::move(options));
}

}  // namespace penstock::objects
