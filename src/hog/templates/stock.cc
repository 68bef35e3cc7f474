// The stock transformations' texts.
#include "hog/templates.h"

namespace penstock::hog {
namespace {

constexpr std::string_view kGeoip = R"hog(
let place := event.properties.$geoip_disable == true ? null : geoipLookup(event.properties.$ip)
if (place == null) {
    return event
}
let changed := event
let found := {
    'city_name': place.city.names.en,
    'city_confidence': place.city.confidence,
    'subdivision_2_name': place.subdivisions[2].names.en,
    'subdivision_2_code': place.subdivisions[2].iso_code,
    'subdivision_1_name': place.subdivisions[1].names.en,
    'subdivision_1_code': place.subdivisions[1].iso_code,
    'country_name': place.country.names.en,
    'country_code': place.country.iso_code,
    'continent_name': place.continent.names.en,
    'continent_code': place.continent.code,
    'postal_code': place.postal.code,
    'latitude': place.location.latitude,
    'longitude': place.location.longitude,
    'accuracy_radius': place.location.accuracy_radius,
    'time_zone': place.location.time_zone
}
if (changed.properties.$set == null) {
    changed.properties.$set := {}
}
if (changed.properties.$set_once == null) {
    changed.properties.$set_once := {}
}
for (let key, value in found) {
    if (value != null) {
        changed.properties[f'$geoip_{key}'] := value
    }
    changed.properties.$set[f'$geoip_{key}'] := value
    changed.properties.$set_once[f'$initial_geoip_{key}'] := value
}
return changed
)hog";

constexpr std::string_view kIp = R"hog(
let ip := event.properties.$ip
if (empty(ip)) {
    return event
}
let changed := event
if (ip like '%.%') {
    let parts := splitByString('.', ip)
    if (length(parts) != 4) {
        return event
    }
    changed.properties.$ip := concat(parts[1], '.', parts[2], '.', parts[3], '.0')
} else {
    // the first three groups of an IPv6 address name the network, the rest the machine
    let groups := splitByString(':', ip)
    let second := ifNull(groups[2], '')
    let third := ifNull(groups[3], '')
    changed.properties.$ip := concat(groups[1], ':', second, ':', third, '::')
}
return changed
)hog";

constexpr std::string_view kNulls = R"hog(
let changed := event
changed.properties := cleanNullValues(event.properties)
return changed
)hog";

constexpr std::string_view kUrlMasking = R"hog(
fun masked(url, parameters, mask) {
    let question := position(url, '?')
    if (question == 0) {
        return url
    }
    let rest := substring(url, question + 1)
    let hash := ''
    if (position(rest, '#') > 0) {
        hash := substring(rest, position(rest, '#'))
        rest := substring(rest, 1, position(rest, '#') - 1)
    }
    let kept := []
    for (let pair in splitByString('&', rest)) {
        let name := splitByString('=', pair)[1]
        if (has(parameters, lower(name))) {
            kept := arrayPushBack(kept, concat(name, '=', mask))
        } else {
            kept := arrayPushBack(kept, pair)
        }
    }
    return concat(substring(url, 1, question), arrayStringConcat(kept, '&'), hash)
}
let parameters := arrayMap(x -> lower(trim(x)), splitByString(',', inputs.parameters))
let changed := event
for (let key in splitByString(',', inputs.properties)) {
    let name := trim(key)
    let url := event.properties[name]
    if (typeof(url) == 'string') {
        changed.properties[name] := masked(url, parameters, inputs.mask)
    }
}
return changed
)hog";

constexpr std::string_view kPii = R"hog(
let changed := event
if (inputs.hash_distinct_id) {
    changed.distinct_id := sha256Hex(concat(event.distinct_id, inputs.salt))
}
for (let key in splitByString(',', inputs.properties)) {
    let name := trim(key)
    if (notEmpty(name) and event.properties[name] != null) {
        changed.properties[name] := sha256Hex(concat(toString(event.properties[name]), inputs.salt))
    }
}
return changed
)hog";

constexpr std::string_view kBots = R"hog(
let agent := event.properties[inputs.user_agent_property]
if (empty(agent)) {
    return inputs.keep_without_user_agent ? event : null
}
if (isKnownBotUserAgent(agent)) {
    return null
}
for (let word in splitByString(',', inputs.further_words)) {
    if (notEmpty(trim(word)) and positionCaseInsensitive(agent, trim(word)) > 0) {
        return null
    }
}
let ip := event.properties.$ip
if (inputs.filter_known_bot_ips and notEmpty(ip)) {
    if (isKnownBotIp(ip)) {  // inside, because `and` asks all its sides
        return null
    }
}
return event
)hog";

constexpr std::string_view kDrop = R"hog(
return null
)hog";

constexpr std::string_view kFilterProperties = R"hog(
let unwanted := arrayMap(x -> trim(x), splitByString(',', inputs.properties))
let kept := {}
for (let key, value in event.properties) {
    if (not has(unwanted, key)) {
        kept[key] := value
    }
}
let changed := event
changed.properties := kept
return changed
)hog";

constexpr std::string_view kHashProperties = R"hog(
let changed := event
for (let key in splitByString(',', inputs.properties)) {
    let path := splitByString('.', trim(key))
    let holder := changed.properties
    for (let i := 1; i < length(path); i := i + 1) {
        holder := holder == null ? null : holder[path[i]]
    }
    let name := path[-1]
    if (holder != null and typeof(holder) == 'object' and holder[name] != null) {
        holder[name] := sha256Hex(toString(holder[name]))
    }
}
return changed
)hog";

constexpr std::string_view kUrlNormalisation = R"hog(
fun normalised(url) {
    let rest := url
    let tail := ''
    let marks := extractRegex(url, '[?#].*$')
    if (notEmpty(marks)) {
        tail := marks
        rest := substring(url, 1, length(url) - length(marks))
    }
    let origin := extractRegex(rest, '^([a-zA-Z][a-zA-Z0-9+.-]*://[^/]*)')
    let path := substring(rest, length(origin) + 1)
    while (length(path) > 1 and path like '%/' and substring(path, length(path)) == '/') {
        path := substring(path, 1, length(path) - 1)
    }
    if (path == '/' and notEmpty(origin)) {
        path := ''
    }
    return concat(lower(origin), inputs.lower_case_path ? lower(path) : path, tail)
}
let changed := event
for (let key in splitByString(',', inputs.properties)) {
    let url := event.properties[trim(key)]
    if (typeof(url) == 'string') {
        changed.properties[trim(key)] := normalised(url)
    }
}
return changed
)hog";

constexpr StockTemplate kTemplates[] = {
    {"template-geoip", "GeoIP", "Adds the place of the event's IP address to it and to its person.",
     kGeoip, "[]"},
    {"template-ip-anonymization", "IP anonymization",
     "Sets the last octet of the IP address to zero; of IPv6 the network stays.", kIp, "[]"},
    {"template-remove-null-properties", "Remove null properties",
     "Removes properties without a value, up to three levels deep.", kNulls, "[]"},
    {"template-url-masking", "URL parameter masking",
     "Masks the values of query parameters in properties that hold addresses.", kUrlMasking,
     R"json([{"key":"properties","type":"string","label":"Properties with addresses",)json"
     R"json("default":"$current_url, $referrer","required":true},)json"
     R"json({"key":"parameters","type":"string","label":"Parameters to mask",)json"
     R"json("default":"email, password, token","required":true},)json"
     R"json({"key":"mask","type":"string","label":"Shown instead",)json"
     R"json("default":"[REDACTED]","required":true}])json"},
    {"template-pii-hashing", "PII data hashing",
     "Replaces personal data by its salted SHA-256 hash.", kPii,
     R"json([{"key":"salt","type":"string","label":"Salt","default":"","secret":true,)json"
     R"json("required":true},)json"
     R"json({"key":"hash_distinct_id","type":"boolean","label":"Hash the distinct id",)json"
     R"json("default":false},)json"
     R"json({"key":"properties","type":"string","label":"Properties to hash",)json"
     R"json("default":"$ip, email","required":true}])json"},
    {"template-bot-detection", "Filter out bots",
     "Drops events of known bots, by user agent and IP address.", kBots,
     R"json([{"key":"user_agent_property","type":"string",)json"
     R"json("label":"Property with the user agent","default":"$raw_user_agent",)json"
     R"json("required":true},)json"
     R"json({"key":"further_words","type":"string","label":"Further words of bots",)json"
     R"json("default":""},)json"
     R"json({"key":"filter_known_bot_ips","type":"boolean","label":"By IP address too",)json"
     R"json("default":true},)json"
     R"json({"key":"keep_without_user_agent","type":"boolean",)json"
     R"json("label":"Keep events without a user agent","default":true}])json"},
    {"template-drop-events", "Drop events", "Drops the events that its filters match.", kDrop,
     "[]"},
    {"template-filter-properties", "Filter properties", "Removes properties by name.",
     kFilterProperties,
     R"json([{"key":"properties","type":"string","label":"Properties to remove",)json"
     R"json("default":"","required":true}])json"},
    {"template-hash-properties", "Hash properties",
     "Replaces properties, also nested ones (a.b), by their SHA-256 hash.", kHashProperties,
     R"json([{"key":"properties","type":"string","label":"Properties to hash",)json"
     R"json("default":"","required":true}])json"},
    {"template-url-normalization", "URL normalization",
     "Writes addresses one way: origin in small letters, no slash at the end of the path.",
     kUrlNormalisation,
     R"json([{"key":"properties","type":"string","label":"Properties with addresses",)json"
     R"json("default":"$current_url, $referrer","required":true},)json"
     R"json({"key":"lower_case_path","type":"boolean",)json"
     R"json("label":"Paths in small letters too","default":false}])json"},
};

constexpr std::string_view kFunctions[] = {"geoipLookup", "cleanNullValues", "isKnownBotUserAgent",
                                           "isKnownBotIp"};

}  // namespace

std::span<const StockTemplate> stock_templates() { return kTemplates; }

const StockTemplate* stock_template(std::string_view id) {
  for (const StockTemplate& one : kTemplates) {
    if (one.id == id) return &one;
  }
  return nullptr;
}

std::span<const std::string_view> transformation_functions() { return kFunctions; }

}  // namespace penstock::hog
