#include "main/commands/hog_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <future>
#include <thread>

#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::cli {
namespace {

constexpr int64_t kFetchMs = 10'000;  // the contract's
constexpr int kFailedStatus = 500;

constexpr std::array<std::string_view, 4> kTransformations = {
    "geoipLookup", "cleanNullValues", "isKnownBotUserAgent", "isKnownBotIp"};
/// What PostHog's server does for destinations, and no command can.
constexpr std::array<std::string_view, 6> kServers = {
    "postHogCapture",   "sendEmail",           "sendPushNotification",
    "postHogGetTicket", "postHogUpdateTicket", "produceToWarehouseWebhooks"};

bool is_in(const auto& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return out;
}

/// As PostHog's fetch reads its options: contract delivery, section 4.
Result<apps::FetchRequest> request_of(hog::Heap& heap, std::span<const hog::Value> arguments) {
  if (arguments.empty() || !arguments[0].is_string()) {
    return fail(Code::kInvalid, "fetch needs a URL: fetch(url, {'method', 'headers', 'body'})");
  }
  apps::FetchRequest out;
  out.url = arguments[0].text();
  out.method = "POST";
  out.follow = false;
  out.timeout_ms = kFetchMs;
  const hog::Value* options =
      arguments.size() > 1 && arguments[1].is(hog::Kind::kObject) ? &arguments[1] : nullptr;
  const auto option = [&](std::string_view name) {
    const hog::Value* found =
        options == nullptr ? nullptr : heap.find(options->as<hog::Object>(), name);
    return found == nullptr ? hog::Value() : *found;
  };
  if (const hog::Value method = option("method"); method.is_string()) {
    out.method = upper(method.text());
  }
  const bool word = !out.method.empty() &&
                    std::ranges::all_of(out.method, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!word) return fail(Code::kInvalid, fmt::format("fetch knows no method '{}'", out.method));
  const hog::Value headers = option("headers");
  if (headers.is(hog::Kind::kObject)) {
    const auto fields = event::JsonFields::parse(hog::to_json(heap, headers));
    if (fields) {
      for (const event::JsonFields::Field& one : fields->fields()) {
        if (event::json_type(one.value) != event::JsonType::kString) continue;
        out.headers.emplace_back(one.key, event::decode_string(one.value));
      }
    }
  } else {
    out.headers.emplace_back("Content-Type", "application/json");
  }
  const hog::Value body = option("body");
  if (out.method == "GET" || out.method == "HEAD" || !hog::truthy(body)) return out;
  out.body = body.is_string() ? std::string(body.text()) : hog::to_json(heap, body);
  return out;
}

/// {status, body}; a failure is a status, too: fetch never throws.
std::string reply_of(const Result<apps::FetchAnswer>& answer) {
  JsonWriter w;
  w.begin_object().field("status", answer ? answer->status : kFailedStatus).key("body");
  const std::string& text = answer ? answer->body : answer.error().message;
  answer&& event::validate_json(text) ? w.raw(text) : w.string(text);
  return w.end_object().take();
}

}  // namespace

RunHost::~RunHost() {
  if (!thread_) return;
  std::promise<void> gone;
  thread_->loop().post([this, &gone] {
    fetcher_.reset();
    gone.set_value();
  });
  gone.get_future().wait();
  thread_->stop();
  thread_->join();
}

Result<std::unique_ptr<RunHost>> RunHost::make(std::string_view allow_private_hosts,
                                               const std::string& geoip_file) {
  std::unique_ptr<RunHost> out(new RunHost());
  PENSTOCK_TRY(out->allowed_, apps::AllowedHosts::parse(allow_private_hosts));
  if (!geoip_file.empty()) {
    PENSTOCK_TRY(out->places_, apps::Places::open(geoip_file));
  }
  out->runtime_ = runtime::make_real_runtime({.pool_threads = 1});
  out->transformations_ =
      std::make_unique<ingest::TransformationHost>(*out->runtime_, out->places_.get());
  return out;
}

std::set<std::string, std::less<>> RunHost::functions() {
  std::set<std::string, std::less<>> out{"fetch"};
  out.insert(kTransformations.begin(), kTransformations.end());
  out.insert(kServers.begin(), kServers.end());
  return out;
}

hog::Host::Has RunHost::has(std::string_view name) {
  if (name == "fetch") return Has::kAsyncFunction;
  if (is_in(kTransformations, name)) return Has::kFunction;
  return is_in(kServers, name) ? Has::kFunction : Has::kNothing;
}

Result<hog::Value> RunHost::call(hog::Heap& heap, std::string_view name,
                                 std::span<const hog::Value> arguments) {
  if (is_in(kTransformations, name)) return transformations_->call(heap, name, arguments);
  return fail(Code::kInvalid,
              fmt::format("{} is done by PostHog's server for its destinations. `penstock hog run` "
                          "has fetch, sleep and what transformations may call; put print() in its "
                          "place to see what it would be given",
                          name));
}

Result<hog::Value> RunHost::perform(hog::Heap& heap, const hog::Outcome& suspended) {
  const std::vector<hog::Value>& arguments = suspended.async_arguments;
  if (suspended.async_function == "fetch") return fetch(heap, arguments);
  if (suspended.async_function == "sleep") {
    const double seconds =
        !arguments.empty() && arguments[0].is_number() ? arguments[0].as_number() : 0;
    if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    return hog::Value();
  }
  return fail(Code::kInvalid,
              fmt::format("the program called {}, which nothing here does; `--suspend` shows the "
                          "call and `--resume` goes on with its answer",
                          suspended.async_function));
}

Result<hog::Value> RunHost::fetch(hog::Heap& heap, std::span<const hog::Value> arguments) {
  PENSTOCK_TRY(auto request, request_of(heap, arguments));
  if (!thread_) {
    thread_ = std::make_unique<runtime::LoopThread>("hog-fetch");
    thread_->start();
  }
  std::promise<Result<apps::FetchAnswer>> promise;
  thread_->loop().post([&] {
    if (!fetcher_) {
      fetcher_ = apps::Fetcher::make(thread_->loop(), thread_->poller(), allowed_, {});
    }
    fetcher_->fetch(std::move(request), [&](Result<apps::FetchAnswer> answer) {
      promise.set_value(std::move(answer));
    });
  });
  const Result<apps::FetchAnswer> answer = promise.get_future().get();
  if (!answer && answer.error().code == Code::kDenied) {
    return fail(Code::kDenied, fmt::format("fetch: {}; `--allow-private HOST` lets it through",
                                           answer.error().message));
  }
  try {
    return hog::from_json(heap, reply_of(answer));
  } catch (const hog::Failure&) {
    // JSON that nests deeper than Hog reads.
    JsonWriter w;
    w.begin_object().field("status", answer->status).field("body", answer->body);
    return hog::from_json(heap, w.end_object().take());
  }
}

}  // namespace penstock::cli
