// The table of the library: names and how many arguments they take.
#include <algorithm>
#include <array>

#include "hog/stl/functions.h"
#include "hog/values/compare.h"

namespace penstock::hog {
namespace {

constexpr int kAny = -1;
constexpr auto kHog = LibraryFunction::How::kHog;
constexpr auto kAsync = LibraryFunction::How::kAsync;

// Sorted by name (in the order of bytes): `library_index` looks by halves.
constexpr LibraryFunction kFunctions[] = {
    {"Error", 0, 2, stl::make_error},
    {"HogError", 1, 3, stl::make_hog_error},
    {"JSONExtract", 2, kAny, stl::json_extract},
    {"JSONExtractArrayRaw", 1, kAny, stl::json_extract_array},
    {"JSONExtractBool", 1, kAny, stl::json_extract_bool},
    {"JSONExtractFloat", 1, kAny, stl::json_extract_float},
    {"JSONExtractInt", 1, kAny, stl::json_extract_int},
    {"JSONExtractString", 1, kAny, stl::json_extract_string},
    {"JSONHas", 1, kAny, stl::json_has},
    {"JSONLength", 1, kAny, stl::json_length},
    {"NotImplementedError", 0, 2, stl::make_error},
    {"RetryError", 0, 2, stl::make_error},
    {"addDays", 2, 2, stl::add_days},
    {"and", 1, kAny, stl::all_of},
    {"arrayCount", 2, 2, nullptr, kHog},
    {"arrayExists", 2, 2, nullptr, kHog},
    {"arrayFilter", 2, 2, nullptr, kHog},
    {"arrayMap", 2, 2, nullptr, kHog},
    {"arrayPopBack", 1, 1, stl::pop_back},
    {"arrayPopFront", 1, 1, stl::pop_front},
    {"arrayPushBack", 2, 2, stl::push_back},
    {"arrayPushFront", 2, 2, stl::push_front},
    {"arrayReduce", 3, 3, nullptr, kHog},
    {"arrayReverse", 1, 1, stl::array_reverse},
    {"arrayReverseSort", 1, kAny, stl::reverse_sort},
    {"arraySort", 1, kAny, stl::sort},
    {"arrayStringConcat", 1, 2, stl::string_concat},
    {"assumeNotNull", 1, 1, stl::assume_not_null},
    {"base64Decode", 1, 1, stl::base64_decode},
    {"base64Encode", 1, 1, stl::base64_encode},
    {"coalesce", 1, kAny, stl::coalesce},
    {"concat", 1, kAny, stl::concat},
    {"dateAdd", 3, 3, stl::date_add},
    {"dateDiff", 3, 3, stl::date_diff},
    {"dateTrunc", 2, 3, stl::date_trunc},
    {"decodeURLComponent", 1, 1, stl::decode_url},
    {"empty", 1, 1, stl::empty},
    {"encodeURLComponent", 1, 1, stl::encode_url},
    {"equals", 2, 2, stl::equals},
    {"extract", 2, 2, stl::extract_part},
    {"extractRegex", 2, 2, stl::extract_regex},
    {"floor", 1, 2, stl::floor},
    {"formatDateTime", 2, 3, stl::format_date_time},
    {"fromUnixTimestamp", 1, 1, stl::from_unix},
    {"fromUnixTimestampMilli", 1, 1, stl::from_unix_milli},
    {"generateUUIDv4", 0, 0, stl::uuid_v4},
    {"greater", 2, 2, stl::greater},
    {"greaterOrEquals", 2, 2, stl::greater_or_equals},
    {"has", 2, 2, stl::has},
    {"if", 3, 3, stl::choose},
    {"ifNull", 2, 2, stl::if_null},
    {"ilike", 2, 2, stl::like},
    {"in", 2, 2, stl::contained_in},
    {"inCohort", 2, 2, nullptr, kHog},
    {"indexOf", 2, 2, stl::index_of},
    {"isIPAddressInRange", 2, 2, stl::ip_in_range},
    {"isNotNull", 1, 1, stl::is_not_null},
    {"isNull", 1, 1, stl::is_null},
    {"isValidJSON", 1, 1, stl::is_valid_json},
    {"jsonParse", 1, 1, stl::json_parse},
    {"jsonStringify", 1, 2, stl::json_stringify},
    {"keys", 1, 1, stl::keys},
    {"length", 1, 1, stl::length},
    {"less", 2, 2, stl::less},
    {"lessOrEquals", 2, 2, stl::less_or_equals},
    {"like", 2, 2, stl::like},
    {"lower", 1, 1, stl::lower},
    {"match", 2, 2, stl::match},
    {"md5", 1, 2, stl::hash},
    {"md5Hex", 1, 1, stl::hash_hex},
    {"min2", 2, 2, stl::min2},
    {"minus", 2, 2, stl::minus},
    {"multiIf", 3, kAny, stl::multi_if},
    {"multiSearchAnyCaseInsensitive", 2, 2, stl::multi_search},
    {"not", 1, 1, stl::negate},
    {"notEmpty", 1, 1, stl::not_empty},
    {"notEquals", 2, 2, stl::not_equals},
    {"notILike", 2, 2, stl::like},
    {"notInCohort", 2, 2, nullptr, kHog},
    {"notLike", 2, 2, stl::like},
    {"now", 0, 1, stl::now},
    {"or", 1, kAny, stl::any_of},
    {"plus", 2, 2, stl::plus},
    {"position", 2, 3, stl::position},
    {"positionCaseInsensitive", 2, 3, stl::position_any_case},
    {"print", 0, kAny, stl::print},
    {"randomFloat", 0, 0, stl::random_float},
    {"range", 1, 2, stl::range},
    {"replaceAll", 3, 3, stl::replace_all},
    {"replaceOne", 3, 3, stl::replace_one},
    {"reverse", 1, 1, stl::reverse},
    {"round", 1, 2, stl::round},
    {"sha1", 1, 2, stl::hash},
    {"sha1Hex", 1, 1, stl::hash_hex},
    {"sha1HmacChain", 1, 2, stl::hmac_chain},
    {"sha1HmacChainHex", 1, 1, stl::hmac_chain_hex},
    {"sha256", 1, 2, stl::hash},
    {"sha256Hex", 1, 1, stl::hash_hex},
    {"sha256HmacChain", 1, 2, stl::hmac_chain},
    {"sha256HmacChainHex", 1, 1, stl::hmac_chain_hex},
    {"sleep", 1, 1, nullptr, kAsync},
    {"sortableSemver", 1, 1, nullptr, kHog},
    {"splitByString", 2, 3, stl::split_by_string},
    {"startsWith", 2, 2, stl::starts_with},
    {"substring", 2, 3, stl::substring},
    {"toDate", 1, 1, stl::to_date},
    {"toDateTime", 1, 2, stl::to_date_time},
    {"toFloat", 1, 1, stl::to_float},
    {"toInt", 1, 1, stl::to_int},
    {"toIntervalDay", 1, 1, stl::to_interval},
    {"toIntervalHour", 1, 1, stl::to_interval},
    {"toIntervalMinute", 1, 1, stl::to_interval},
    {"toIntervalMonth", 1, 1, stl::to_interval},
    {"toMonth", 1, 1, stl::to_month},
    {"toStartOfDay", 1, 2, stl::start_of_day},
    {"toStartOfHour", 1, 1, stl::start_of_hour},
    {"toStartOfMonth", 1, 1, stl::start_of_month},
    {"toStartOfWeek", 1, 2, stl::start_of_week},
    {"toString", 1, 2, stl::to_string},
    {"toTimeZone", 2, 2, stl::to_time_zone},
    {"toUUID", 1, 1, stl::to_string},
    {"toUnixTimestamp", 1, 2, stl::to_unix},
    {"toUnixTimestampMilli", 1, 2, stl::to_unix_milli},
    {"toYYYYMM", 1, 1, stl::to_yyyymm},
    {"toYear", 1, 1, stl::to_year},
    {"today", 0, 0, stl::today},
    {"trim", 1, 2, stl::trim},
    {"trimLeft", 1, 2, stl::trim},
    {"trimRight", 1, 2, stl::trim},
    {"tryBase64Decode", 1, 1, stl::try_base64_decode},
    {"tryDecodeURLComponent", 1, 1, stl::try_decode_url},
    {"tuple", 0, kAny, stl::tuple},
    {"typeof", 1, 1, stl::type_of},
    {"upper", 1, 1, stl::upper},
    {"values", 1, 1, stl::values},
};

constexpr bool in_order() {
  for (size_t i = 1; i < std::size(kFunctions); i++) {
    if (!(kFunctions[i - 1].name < kFunctions[i].name)) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

std::span<const LibraryFunction> library() { return kFunctions; }

int32_t library_index(std::string_view name) {
  const auto* end = std::end(kFunctions);
  const auto* found =
      std::lower_bound(std::begin(kFunctions), end, name,
                       [](const LibraryFunction& function, std::string_view wanted) {
                         return function.name < wanted;
                       });
  if (found == end || found->name != name) return -1;
  return static_cast<int32_t>(found - std::begin(kFunctions));
}

std::string_view text_argument(Arguments arguments, size_t at, std::string_view name) {
  if (at < arguments.size() && arguments[at].is_string()) return arguments[at].text();
  throw Failure{"Function " + std::string(name) + " needs a string as argument " +
                std::to_string(at + 1)};
}

}  // namespace penstock::hog
