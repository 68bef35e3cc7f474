#include "main/prove/clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "main/http_client.h"

namespace penstock::cli::prove {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kAnswerMs = 3'000;
constexpr milliseconds kAgain{15};
constexpr size_t kSurprisesMax = 5;
constexpr uint64_t kRepeatPercent = 4, kPauseMsMax = 30;

int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Clients::Clients(uint64_t seed, size_t count, std::string key, std::string early_key) {
  clients_.reserve(count);
  for (size_t i = 0; i < count; i++) {
    clients_.push_back({Workload(seed, static_cast<int>(i), key, early_key), true, {}});
  }
  for (size_t i = 0; i < count; i++) {
    threads_.emplace_back([this, i, seed] { run(clients_[i], seed + i); });
  }
}

Clients::~Clients() { stop(); }

void Clients::set_url(std::string url) {
  const std::scoped_lock lock(mutex_);
  url_ = std::move(url);
  changed_.notify_all();
}

void Clients::set_early_key(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  for (Client& c : clients_) c.early_key = key;
}

bool Clients::pause(int64_t ms_max) {
  std::unique_lock lock(mutex_);
  paused_ = true;
  return changed_.wait_for(lock, milliseconds(ms_max),
                           [this] { return std::ranges::all_of(clients_, &Client::idle); });
}

void Clients::resume() {
  const std::scoped_lock lock(mutex_);
  paused_ = false;
  changed_.notify_all();
}

void Clients::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  for (std::thread& t : threads_) {
    if (t.joinable()) t.join();
  }
}

void Clients::run(Client& client, uint64_t seed) {
  std::mt19937_64 random(seed ^ 0x5eed);
  for (;;) {
    std::string url;
    {
      std::unique_lock lock(mutex_);
      client.idle = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return stopping_ || (!paused_ && !url_.empty()); });
      if (stopping_) return;
      client.idle = false;
      if (!client.early_key.empty()) client.work.set_early_key(std::exchange(client.early_key, {}));
      url = url_;
    }
    const Shipment shipment = client.work.next(now_ms());
    while (!try_once(shipment, url)) {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return;
      url = url_;
    }
    if (random() % 100 < kRepeatPercent && try_once(shipment, url)) {
      const std::scoped_lock lock(mutex_);
      promises_.repeats += shipment.uuids.size();
    }
    std::this_thread::sleep_for(milliseconds(random() % kPauseMsMax));
  }
}

bool Clients::try_once(const Shipment& shipment, const std::string& url) {
  HttpCall call;
  call.method = "POST";
  call.url = url + shipment.path;
  call.body = shipment.body;
  call.headers = shipment.headers;
  call.timeout_ms = kAnswerMs;
  const auto reply = http(call);
  const bool answered = reply.has_value();
  const bool partly = answered && reply->body.find(R"("retry")") != std::string::npos;
  if (answered && reply->status == 200 && !partly) {
    note(shipment);
    return true;
  }
  {
    const std::scoped_lock lock(mutex_);
    promises_.answers += answered ? 1 : 0;
    if (!answered) {
      promises_.unanswered++;
    } else if (reply->status >= 500 || partly) {
      promises_.refused++;
    } else if (promises_.surprises.size() < kSurprisesMax) {
      promises_.surprises.push_back(
          fmt::format("{} answered {}: {}", shipment.path, reply->status, reply->body));
    }
  }
  std::this_thread::sleep_for(kAgain);
  return false;
}

void Clients::note(const Shipment& shipment) {
  const std::scoped_lock lock(mutex_);
  uint64_t fresh = 0;
  if (shipment.kind == Kind::kRecording) {
    auto& marks = promises_.sessions[shipment.session];
    if (marks.empty() || marks.back() != shipment.mark) {
      marks.push_back(shipment.mark);
      fresh = 1;
    }
  } else {
    for (const Uuid& uuid : shipment.uuids) {
      fresh += promises_.events.emplace(uuid, shipment.kind).second ? 1 : 0;
    }
  }
  promises_.answers++;
  promises_.acknowledged[static_cast<size_t>(shipment.kind)] += fresh;
  acknowledged_ += fresh;
}

}  // namespace penstock::cli::prove
