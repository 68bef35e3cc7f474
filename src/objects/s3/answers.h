// What S3 answers in XML, read. Pure functions; a text that is no such answer is kCorrupt.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "objects/s3/session.h"

namespace penstock::objects::s3 {

struct Page {
  std::vector<ObjectInfo> objects;
  std::string next;  // the continuation token; empty: there is no more
};
Result<Page> read_page(std::string_view xml);

struct Upload {
  std::string key, id, begun_at;  // RFC 3339, UTC
};
Result<std::vector<Upload>> read_uploads(std::string_view xml);
Result<std::string> read_upload_id(std::string_view xml);

struct Part {
  int number = 0;
  std::string etag, crc32c;
};
std::string complete_text(const std::vector<Part>& parts);

/// The error that an answer stands for, `what` in front; success where it is none. `changes` as in
/// Ask: a 500 to a change leaves it unknown.
Status status_of(const Answer& answer, std::string_view what, bool changes);
/// An answer of 200 may hold an error all the same, when a server had to begin before it knew.
bool holds_error(std::string_view xml);

}  // namespace penstock::objects::s3
