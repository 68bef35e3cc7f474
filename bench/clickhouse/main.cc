// What inserting over ClickHouse's HTTP interface costs, beside curl with the same blocks.
//
//   bench_clickhouse DIR [ROUNDS]
//
// One server (today's engine behind the tests' front) takes batches of 20,000 events of 1 KB: from
// ClickHouseStore with and without compression, and from curl, which gets the encoded rows as a
// file and has nothing to do but send them. The ways take turns. Prints JSON, one line each: rows a
// second of the wall clock, medians over rounds, and this process's own CPU a row.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <random>

#include "store/clickhouse/connection.h"
#include "store/clickhouse/http_client.h"
#include "store/dialect/row_binary.h"
#include "tests/contract/event_store_world.h"

namespace penstock::bench {
namespace {

constexpr uint32_t kRows = 20'000;
constexpr size_t kBatches = 3;  // of one turn

using store::testing::ClickHouseFront;

struct Events {
  std::vector<std::string> texts;
  std::shared_ptr<store::InsertBatch> batch = std::make_shared<store::InsertBatch>();

  explicit Events(std::string id, uint32_t first) {
    std::mt19937_64 random(first);
    batch->id = std::move(id);
    texts.reserve(2 * kRows);
    for (uint32_t i = 0; i < kRows; i++) {
      std::string properties = R"({"$lib":"web")";
      while (properties.size() < 1000) {
        properties += fmt::format(R"(,"key_{}":"{:016x}")", properties.size(), random());
      }
      texts.push_back(properties + "}");
      texts.push_back(fmt::format("user-{}", random() % 5000));
      auto& e = batch->events.emplace_back();
      e.project = {1};
      for (size_t b = 0; b < 16; b++) e.uuid.bytes[b] = static_cast<uint8_t>(random() >> 9);
      e.row.event = "$pageview";
      e.row.properties = texts[texts.size() - 2];
      e.row.distinct_id = texts.back();
      e.row.person_properties = "{}";
      e.row.timestamp_ms = e.row.created_at_ms = 1'785'585'600'000 + i;
    }
  }
};

double cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

class Bench {
 public:
  Bench(const std::string& directory, int rounds)
      : directory_(directory),
        rounds_(rounds),
        front_(store::testing::beside("penstock-engine"), store::testing::beside("libchdb.so"),
               directory + "/engine") {
    thread_.start();
  }

  int run() {
    for (const char* compression : {"none", "lz4", "zstd"}) {
      store::ClickHouseOptions options;
      options.urls = front_.url();
      options.compression = compression;
      on_loop([&] {
        auto made = store::make_clickhouse_store(*runtime_, thread_.loop(), options);
        stores_[compression] = std::move(*made);
        (void)stores_[compression]->start();
      });
      while (!stores_[compression]->health().ready) ::usleep(20'000);
    }
    for (int round = 0; round < rounds_; round++) {
      for (const char* way : {"none", "lz4", "zstd", "curl", "curl-lz4"}) turn(way);
    }
    for (auto& [way, rates] : rates_) {
      std::ranges::sort(rates);
      std::ranges::sort(cpu_[way]);
      fmt::print("{{\"way\": \"{}\", \"rows_per_s\": {:.0f}, \"own_cpu_us_per_row\": {:.2f}}}\n",
                 way, rates[rates.size() / 2], cpu_[way][cpu_[way].size() / 2]);
    }
    on_loop([this] { stores_.clear(); });
    thread_.stop();
    thread_.join();
    return 0;
  }

 private:
  void on_loop(const std::function<void()>& work) {
    std::promise<void> done;
    thread_.loop().post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }

  void turn(const std::string& way) {
    std::vector<Events> all;
    std::vector<std::string> urls, files;
    for (size_t i = 0; i < kBatches; i++) {
      all.emplace_back(fmt::format("b{}", next_), next_ * kRows);
      next_++;
      if (!way.starts_with("curl")) continue;
      auto encoded = store::batch_statements(*all.back().batch, 1'785'585'600'000);
      files.push_back(fmt::format("{}/rows-{}", directory_, i));
      store::ClickHouseOptions options;
      options.compression = way == "curl" ? "none" : "lz4";
      const auto packed = store::clickhouse::packed(std::move(encoded.statements), options);
      std::ofstream(files.back(), std::ios::binary) << *packed[0].rows;
      urls.push_back(front_.url() + "/?query=" +
                     store::clickhouse::percent_encoded(packed[0].sql + " FORMAT RowBinary"));
    }
    const double cpu = cpu_us();
    const auto begun = std::chrono::steady_clock::now();
    for (size_t i = 0; i < kBatches; i++) {
      if (way.starts_with("curl")) {
        const std::string command =
            fmt::format("curl -sf -o /dev/null {} --data-binary @{} '{}'",
                        way == "curl" ? "" : "-H 'Content-Encoding: lz4'", files[i], urls[i]);
        if (std::system(command.c_str()) != 0) std::abort();
        continue;
      }
      auto done = std::make_shared<std::promise<Status>>();
      thread_.loop().post([&, done] {
        stores_[way]->insert(all[i].batch, [done](Status s) { done->set_value(std::move(s)); });
      });
      if (const Status s = done->get_future().get(); !s) {
        fmt::print(stderr, "{}\n", s.error().message);
        std::abort();
      }
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    rates_[way].push_back(kRows * kBatches / seconds);
    cpu_[way].push_back((cpu_us() - cpu) / (kRows * kBatches));
  }

  const std::string directory_;
  const int rounds_;
  uint32_t next_ = 0;
  ClickHouseFront front_;
  std::unique_ptr<runtime::Runtime> runtime_ = runtime::make_real_runtime();
  runtime::LoopThread thread_{"bench"};
  std::map<std::string, std::unique_ptr<store::EventStore>> stores_;
  std::map<std::string, std::vector<double>> rates_, cpu_;
};

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return penstock::bench::Bench(argv[1], argc > 2 ? std::atoi(argv[2]) : 5).run();
}
