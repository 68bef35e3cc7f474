#include "simulation/clients/clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/probe.h"
#include "event/json_fields.h"

namespace penstock::simulation {
namespace {

constexpr int64_t kTimeoutMs = 10'000;
constexpr int64_t kBackoffMsMin = 50, kBackoffMsMax = 3000;
constexpr uint64_t kRequestsMax = 900;  // of a run, so that no tempo makes it last

}  // namespace

Clients::Clients(Machine& machine)
    : m_(machine),
      workload_(machine.dice.next(), machine.promises,
                {.clients = machine.tempo.clients,
                 .poison = machine.faults.enabled(Fault::kStoreRefuses),
                 .fat_percent = machine.tempo.fat_percent,
                 .v1_percent = machine.tempo.v1_percent}),
      clients_(machine.tempo.clients) {}

void Clients::attach(runtime::Loop& loop, runtime::Clock& clock, Deliver deliver) {
  loop_ = &loop;
  clock_ = &clock;
  deliver_ = std::move(deliver);
  alive_ = std::make_shared<bool>(true);
  inside_ = 0;
  for (size_t i = 0; i < clients_.size(); i++) {
    // What was in flight when the process died: the connection is gone, the SDK repeats.
    if (clients_[i].request) {
      again(i, m_.dice.between(1, m_.tempo.reconnect_ms));
    } else {
      think(i);
    }
  }
  for (const auto& [due, packet] : wire_) {
    later(std::max<int64_t>((due - now_us()) / 1000, 0) + 1, [this] { deliver_due(); });
  }
}

void Clients::detach() {
  if (alive_) *alive_ = false;
  loop_ = nullptr;
}

void Clients::later(int64_t ms, std::function<void()> task) {
  loop_->after(std::chrono::milliseconds(ms), [alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

bool Clients::quiet() const {
  return wire_.empty() && inside_ == 0 && extra_.empty() &&
         std::ranges::none_of(clients_, [](const Client& c) { return c.request != nullptr; });
}

void Clients::also(std::vector<ClientRequest> requests) {
  for (ClientRequest& r : requests) {
    extra_.push_back(std::make_shared<const ClientRequest>(std::move(r)));
  }
}

void Clients::think(size_t client) {
  later(m_.dice.between(1, 2 * m_.tempo.think_ms), [this, client] {
    if (!extra_.empty()) {
      clients_[client].request = std::move(extra_.front());
      extra_.erase(extra_.begin());
      return attempt(client);
    }
    if (!sending_ || m_.promises.requests >= kRequestsMax) return think(client);
    m_.promises.requests++;
    clients_[client].request =
        std::make_shared<const ClientRequest>(workload_.next(client, clock_->wall_us() / 1000));
    attempt(client);
  });
}

void Clients::attempt(size_t client) {
  Client& c = clients_[client];
  const uint64_t serial = c.serial = ++serials_;
  const auto& request = c.request;
  Dice& dice = m_.faults.dice();
  if (!m_.faults.strike(Fault::kRequestLost)) {
    const bool late = m_.faults.strike(Fault::kRequestLate);
    put_on_wire({client, serial, request}, late ? dice.between(100, 60'000) : dice.between(1, 20));
    if (m_.faults.strike(Fault::kRequestTwice)) {
      put_on_wire({client, serial, request}, dice.between(1, 30'000));
    }
  }
  again(client, kTimeoutMs);
}

/// One more attempt, unless this one is answered or another made until then.
void Clients::again(size_t client, int64_t ms) {
  later(ms, [this, client, serial = clients_[client].serial] {
    if (clients_[client].request && clients_[client].serial == serial) attempt(client);
  });
}

void Clients::put_on_wire(Packet packet, int64_t ms) {
  wire_.emplace(now_us() + ms * 1000, std::move(packet));
  later(ms + 1, [this] { deliver_due(); });
}

void Clients::deliver_due() {
  while (!wire_.empty() && wire_.begin()->first <= now_us()) {
    const Packet packet = std::move(wire_.begin()->second);
    wire_.erase(wire_.begin());
    deliver(packet);
  }
}

void Clients::deliver(const Packet& packet) {
  for (const Uuid& uuid : packet.request->events) m_.promises.events[uuid].deliveries++;
  inside_++;
  deliver_(packet.client, *packet.request,
           [this, alive = alive_, packet](int status, const std::string& body) {
             if (!*alive) return;
             inside_--;
             if (m_.faults.strike(Fault::kAnswerLost)) return;
             later(m_.faults.dice().between(1, 5),
                   [this, client = packet.client, serial = packet.serial, status, body] {
                     answered(client, serial, status, body);
                   });
           });
}

void Clients::answered(size_t client, uint64_t serial, int status, const std::string& body) {
  Client& c = clients_[client];
  if (!c.request || c.serial != serial) return;  // of an attempt that was given up
  const ClientRequest& request = *c.request;
  const bool refused = status >= 400 && status < 500;
  const bool allowed = status == 0 || status == 503 || (request.refused ? refused : status == 200);
  if (!allowed) {
    m_.broken("answers",
              fmt::format("client {} got {} for {}", client, status, request.body.substr(0, 300)));
  }
  if (status == 0 || status == 503) {
    c.backoff_ms = std::clamp(c.backoff_ms * 2, kBackoffMsMin, kBackoffMsMax);
    return again(client, c.backoff_ms);
  }
  if (status == 200 && request.v1) {
    if (take_verdicts(client, body)) {
      c.backoff_ms = std::clamp(c.backoff_ms * 2, kBackoffMsMin, kBackoffMsMax);
      return again(client, c.backoff_ms);
    }
  } else if (status == 200) {
    for (const Uuid& uuid : request.events) {
      m_.promises.events[uuid].acknowledged = true;
      m_.promises.acknowledged++;
    }
  }
  c.backoff_ms = 0;
  c.request = nullptr;
  think(client);
}

bool Clients::take_verdicts(size_t client, const std::string& body) {
  Client& c = clients_[client];
  const auto top = event::JsonFields::parse(body);
  const auto raw = top ? top->find("results") : std::nullopt;
  const auto results = event::JsonFields::parse(raw.value_or(""));
  const auto wrong = [&](const Uuid& uuid) {
    m_.broken("verdicts", fmt::format("{} has none in {}", uuid.text(), body.substr(0, 300)));
  };
  std::set<Uuid> again;
  for (const Uuid& uuid : c.request->events) {
    const auto verdict = results ? results->find(uuid.text()) : std::nullopt;
    const auto fields = event::JsonFields::parse(verdict.value_or(""));
    const auto text = [&fields](std::string_view key) {
      const auto value = fields ? fields->find(key) : std::nullopt;
      return value ? event::decode_string(*value) : std::string();
    };
    const std::string result = text("result");
    Promise& promise = m_.promises.events[uuid];
    if (result == "retry") {
      again.insert(uuid);
    } else if (result == "ok" || result == "warning" || result == "drop") {
      if (result == "drop") promise.dropped = text("details");
      if (result == "drop" && promise.dropped.empty()) wrong(uuid);
      promise.acknowledged = true;
      m_.promises.acknowledged++;
    } else {
      wrong(uuid);
    }
  }
  if (again.empty()) return false;
  probe<"simulation.v1_sends_the_rest_again">();
  c.request = std::make_shared<const ClientRequest>(
      workload_.rest_of(*c.request, client, clock_->wall_us() / 1000,
                        [&again](const Uuid& uuid) { return again.contains(uuid); }));
  return true;
}

}  // namespace penstock::simulation
