#include "ingest/transformation_host.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "hog/templates.h"

namespace penstock::ingest {
namespace {

constexpr int kCleanDepthMax = 3;

/// In small letters. Most call themselves bots, crawlers or spiders.
constexpr std::array<std::string_view, 33> kBotWords = {"bot/",
                                                        "bot;",
                                                        "bot)",
                                                        "bot ",
                                                        "bot-",
                                                        "googlebot",
                                                        "bingbot",
                                                        "crawler",
                                                        "crawling",
                                                        "spider",
                                                        "slurp",
                                                        "headlesschrome",
                                                        "phantomjs",
                                                        "lighthouse",
                                                        "pagespeed",
                                                        "gtmetrix",
                                                        "pingdom",
                                                        "uptimerobot",
                                                        "statuscake",
                                                        "facebookexternalhit",
                                                        "facebookcatalog",
                                                        "meta-externalagent",
                                                        "mediapartners-google",
                                                        "adsbot-google",
                                                        "google-inspectiontool",
                                                        "bingpreview",
                                                        "yandex.com/bots",
                                                        "bytespider",
                                                        "gptbot",
                                                        "claudebot",
                                                        "ccbot",
                                                        "prerender",
                                                        "archive.org_bot"};

struct Range {
  uint32_t from;
  int bits;
};
constexpr uint32_t ipv4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}
constexpr std::array<Range, 6> kBotRanges = {{{ipv4(66, 249, 64, 0), 19},    // Google
                                              {ipv4(157, 55, 39, 0), 24},    // Bing
                                              {ipv4(207, 46, 13, 0), 24},    // Bing
                                              {ipv4(40, 77, 167, 0), 24},    // Bing
                                              {ipv4(17, 241, 0, 0), 16},     // Apple
                                              {ipv4(5, 255, 253, 0), 24}}};  // Yandex

std::optional<uint32_t> read_ipv4(std::string_view text) {
  uint32_t out = 0;
  for (int part = 0; part < 4; part++) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value > 255) return std::nullopt;
    out = out << 8 | value;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (part == 3) break;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
  return text.empty() ? std::optional(out) : std::nullopt;
}

/// Without members and items that are null, so many levels deep.
hog::Value cleaned(hog::Heap& heap, const hog::Value& value, int depth) {
  if (depth > kCleanDepthMax) return value;
  if (value.is(hog::Kind::kArray)) {
    auto& from = value.as<hog::Array>();
    hog::Value out = heap.array(from.size);
    for (size_t i = 0; i < from.size; i++) {
      const hog::Value item = cleaned(heap, heap.item(from, i), depth + 1);
      if (!item.is_nothing()) heap.push(out.as<hog::Array>(), item);
    }
    return out;
  }
  if (!value.is(hog::Kind::kObject)) return value;
  auto& from = value.as<hog::Object>();
  hog::Value out = heap.object(heap.size(from));
  for (size_t i = 0; i < heap.size(from); i++) {
    const hog::Value kept = cleaned(heap, heap.value_at(from, i), depth + 1);
    if (!kept.is_nothing()) heap.set(out.as<hog::Object>(), heap.key_at(from, i), kept);
  }
  return out;
}

}  // namespace

bool is_known_bot_user_agent(std::string_view user_agent) {
  std::string text(user_agent);
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return text.ends_with("bot") || std::ranges::any_of(kBotWords, [&](std::string_view word) {
           return text.find(word) != std::string::npos;
         });
}

bool is_known_bot_ip(std::string_view ip) {
  const auto address = read_ipv4(ip);
  return address && std::ranges::any_of(kBotRanges, [&](const Range& range) {
           return (*address ^ range.from) >> (32 - range.bits) == 0;
         });
}

hog::Host::Has TransformationHost::has(std::string_view name) {
  const auto names = hog::transformation_functions();
  return std::ranges::find(names, name) == names.end() ? Has::kNothing : Has::kFunction;
}

Result<hog::Value> TransformationHost::call(hog::Heap& heap, std::string_view name,
                                            std::span<const hog::Value> arguments) {
  if (arguments.empty()) {
    return fail(Code::kInvalid, std::string(name) + " needs an argument");
  }
  const hog::Value& given = arguments[0];
  if (name == "cleanNullValues") return cleaned(heap, given, 1);
  const std::string_view text = given.is_string() ? given.text() : std::string_view();
  if (name == "isKnownBotUserAgent") return hog::Value::boolean(is_known_bot_user_agent(text));
  if (name == "isKnownBotIp") return hog::Value::boolean(is_known_bot_ip(text));
  const std::string place =
      places_ == nullptr || text.empty() ? std::string() : places_->locate(text, false);
  return place.empty() ? hog::Value() : hog::from_json(heap, place);
}

}  // namespace penstock::ingest
