#include "objects/s3/answers.h"

#include <array>
#include <pugixml.hpp>

#include <fmt/format.h>

namespace penstock::objects::s3 {
namespace {

constexpr size_t kMessageMax = 200;

std::optional<pugi::xml_document> parsed(std::string_view xml) {
  pugi::xml_document out;
  if (!out.load_buffer(xml.data(), xml.size())) return std::nullopt;
  return out;
}

/// The root of that name, or an empty node.
pugi::xml_node root_of(const std::optional<pugi::xml_document>& document, const char* name) {
  return document ? document->child(name) : pugi::xml_node();
}

struct Known {
  std::string_view name;
  Code code;
};
/// By S3's own word for it, which says more than the status.
constexpr auto kKnown = std::to_array<Known>({
    {"NoSuchKey", Code::kNotFound},
    {"NoSuchUpload", Code::kNotFound},
    {"PreconditionFailed", Code::kConflict},
    {"ConditionalRequestConflict", Code::kUnavailable},
    {"OperationAborted", Code::kUnavailable},
    {"SlowDown", Code::kBusy},
    {"TooManyRequests", Code::kBusy},
    {"RequestTimeout", Code::kUnavailable},
    {"BadDigest", Code::kUnavailable},
    {"XAmzContentSHA256Mismatch", Code::kUnavailable},
    {"XAmzContentChecksumMismatch", Code::kUnavailable},
    {"IncompleteBody", Code::kUnavailable},
    {"QuotaExceeded", Code::kExhausted},
    {"XMinioStorageFull", Code::kExhausted},
    {"RequestTimeTooSkewed", Code::kDenied},
});

Code by_status(int status, bool changes) {
  switch (status) {
    case 401:
    case 403: return Code::kDenied;
    case 404: return Code::kNotFound;
    case 408: return Code::kUnavailable;
    case 409:
    case 412: return Code::kConflict;
    case 429:
    case 503: return Code::kBusy;
    case 507: return Code::kExhausted;
    default: break;
  }
  if (status >= 500) return changes ? Code::kMaybe : Code::kUnavailable;
  return Code::kInvalid;
}

}  // namespace

Result<Page> read_page(std::string_view xml) {
  const auto document = parsed(xml);
  const pugi::xml_node root = root_of(document, "ListBucketResult");
  if (!root) return fail(Code::kCorrupt, "S3: the list is none");
  Page out;
  for (const pugi::xml_node& entry : root.children("Contents")) {
    out.objects.push_back({entry.child_value("Key"), entry.child("Size").text().as_ullong()});
  }
  if (root.child("IsTruncated").text().as_bool()) {
    out.next = root.child_value("NextContinuationToken");
  }
  return out;
}

Result<std::vector<Upload>> read_uploads(std::string_view xml) {
  const auto document = parsed(xml);
  const pugi::xml_node root = root_of(document, "ListMultipartUploadsResult");
  if (!root) return fail(Code::kCorrupt, "S3: the list of uploads is none");
  std::vector<Upload> out;
  for (const pugi::xml_node& entry : root.children("Upload")) {
    out.push_back(
        {entry.child_value("Key"), entry.child_value("UploadId"), entry.child_value("Initiated")});
  }
  return out;
}

Result<std::string> read_upload_id(std::string_view xml) {
  const auto document = parsed(xml);
  std::string id = root_of(document, "InitiateMultipartUploadResult").child_value("UploadId");
  if (id.empty()) return fail(Code::kCorrupt, "S3: an upload was begun without an id");
  return id;
}

std::string complete_text(const std::vector<Part>& parts) {
  std::string out = "<CompleteMultipartUpload>";
  for (const Part& p : parts) {
    // An ETag is in quotes, which XML wants written as such.
    std::string etag;
    for (const char c : p.etag) etag += c == '"' ? std::string("&quot;") : std::string(1, c);
    out += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>", p.number, etag);
    out += fmt::format("<ChecksumCRC32C>{}</ChecksumCRC32C></Part>", p.crc32c);
  }
  return out + "</CompleteMultipartUpload>";
}

bool holds_error(std::string_view xml) {
  const auto document = parsed(xml);
  return static_cast<bool>(root_of(document, "Error"));
}

Status status_of(const Answer& answer, std::string_view what, bool changes) {
  const auto document = parsed(answer.body);
  const pugi::xml_node error = root_of(document, "Error");
  if (answer.status < 300 && !error) return {};
  const std::string_view name = error.child_value("Code");
  Code code = by_status(answer.status < 300 ? 500 : answer.status, changes);
  for (const Known& known : kKnown) {
    if (known.name == name) code = known.code;
  }
  // A bucket that is not there is no object that is not there.
  if (name == "NoSuchBucket") code = Code::kUnavailable;
  const std::string_view message = error.child_value("Message");
  return fail(code, fmt::format("S3: {}: {}{}{}{}{}", what, answer.status, name.empty() ? "" : " ",
                                name, message.empty() ? "" : ": ", message.substr(0, kMessageMax)));
}

}  // namespace penstock::objects::s3
