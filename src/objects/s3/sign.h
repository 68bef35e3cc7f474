// Signature Version 4 of a request to S3, as AWS documents it. Pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::objects::s3 {

/// Sorted by name, as the signature wants them.
using Query = std::map<std::string, std::string>;
using Headers = std::map<std::string, std::string>;  // names in lower case

struct Credentials {
  std::string_view access_key, secret_key, region;
};

/// Percent-encoded as the signature wants it; `keep_slash` in paths.
std::string encoded(std::string_view text, bool keep_slash);
/// "a=1&b=2", encoded.
std::string query_text(const Query& query);
std::string sha256_hex(std::string_view bytes);

/// The value of Authorization. `path` is encoded; `headers` hold host, x-amz-date ("20260829T…Z"),
/// x-amz-content-sha256 and whatever else of them is to be signed: all of them are.
std::string authorization(std::string_view method, std::string_view path, const Query& query,
                          const Headers& headers, const Credentials& credentials);

/// "20260829T120000Z" of Unix microseconds.
std::string amz_date(int64_t wall_us);

}  // namespace penstock::objects::s3
