// What a ClickHouse server's answers over HTTP mean. Pure functions.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/clickhouse/http_client.h"

namespace penstock::store::clickhouse {

enum class Purpose : uint8_t {
  kInsert,  // of rows that are repeated under the same token
  kQuery,   // of somebody who asks: what is no limit and no failure is their mistake
  kOwn,     // Penstock's own statements
};

/// The server's number of what went wrong: header X-ClickHouse-Exception-Code, else the number at
/// the beginning of the body ("Code: 252, …" and "Code: 252. …"); 0: none.
int exception_code(const HttpAnswer& answer);
/// Success needs a 200 by a ClickHouse: a proxy's page is not one. Errors carry the server's text
/// for people. kBusy: too many parts, queries, or a server that shuts down; kDenied: user, password
/// or rights; kMaybe: an insert of which the server itself does not know; kUnavailable: repeat.
Status status_of(const HttpAnswer& answer, Purpose purpose);

/// Of X-ClickHouse-Summary; 0 where it is not told.
struct Summary {
  uint64_t rows_read = 0, bytes_read = 0;
  int64_t elapsed_us = 0;
};
Summary summary_of(const HttpAnswer& answer);

/// "24.8.1.2684" → 2408; 0: no version.
int version_number(std::string_view version);

/// Those of one field, one a line, as TSV writes a line's end.
std::set<std::string, std::less<>> names_in(std::string_view field);

}  // namespace penstock::store::clickhouse
