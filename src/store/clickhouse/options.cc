// What a ClickHouseStore may be told, and the statements that come of it.
#include <fmt/format.h>

#include "store/clickhouse/connection.h"
#include "store/clickhouse_store.h"

namespace penstock::store {

using clickhouse::Layout;
using clickhouse::layout_of;

Status check_clickhouse_options(const ClickHouseOptions& o) {
  const auto wrong = [](std::string_view what) {
    return fail(Code::kInvalid, fmt::format("ClickHouse: {}", what));
  };
  const std::vector<std::string> urls = clickhouse::split_urls(o.urls);
  if (urls.empty()) return wrong("there is no URL");
  for (const std::string& url : urls) {
    const size_t scheme = url.find("://");
    if (scheme == std::string::npos || url.size() == scheme + 3 ||
        (url.substr(0, scheme) != "http" && url.substr(0, scheme) != "https")) {
      return wrong(fmt::format("'{}' is no http:// or https:// URL", url));
    }
    if (url.find_first_of("/?#@ ", scheme + 3) != std::string::npos) {
      return wrong("a URL is a scheme, a host and a port alone");
    }
  }
  if (o.compression != "auto" && o.compression != "lz4" && o.compression != "zstd" &&
      o.compression != "none") {
    return wrong("the compression is neither auto, lz4, zstd nor none");
  }
  if (o.keeper_path.find_first_of("'\\ ") != std::string::npos || !o.keeper_path.starts_with('/')) {
    return wrong("the path in Keeper does not begin with a slash, or has quotes or blanks");
  }
  if (const Status good = clickhouse::check_layout(layout_of(o)); !good) {
    return wrong(good.error().message);
  }
  return {};
}

std::vector<std::string> clickhouse_ddl(const ClickHouseOptions& options,
                                        const std::string& kafka_brokers,
                                        const std::string& kafka_prefix) {
  Layout layout = layout_of(options);
  layout.reads_kafka = !kafka_brokers.empty();
  std::vector<std::string> out{clickhouse::create_database(layout),
                               clickhouse::create_migrations(layout)};
  for (std::string& s : clickhouse::create_tables(layout)) out.push_back(std::move(s));
  if (kafka_brokers.empty()) return out;
  const clickhouse::KafkaReading kafka{.brokers = kafka_brokers, .prefix = kafka_prefix};
  for (std::string& s : clickhouse::create_kafka_reading(layout, kafka))
    out.push_back(std::move(s));
  return out;
}

}  // namespace penstock::store
