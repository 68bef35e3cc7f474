// The library's functions by file; the table (table.cc) gives them their names. Private to the
// room.
#pragma once

#include "hog/stl/context.h"

namespace penstock::hog::stl {

#define PENSTOCK_HOG_FUNCTION(name) \
  Value name(Context& context, Arguments args, std::string_view self)

// strings.cc
PENSTOCK_HOG_FUNCTION(concat);
PENSTOCK_HOG_FUNCTION(lower);
PENSTOCK_HOG_FUNCTION(upper);
PENSTOCK_HOG_FUNCTION(reverse);
PENSTOCK_HOG_FUNCTION(length);
PENSTOCK_HOG_FUNCTION(substring);
PENSTOCK_HOG_FUNCTION(trim);
PENSTOCK_HOG_FUNCTION(starts_with);
PENSTOCK_HOG_FUNCTION(position);
PENSTOCK_HOG_FUNCTION(position_any_case);
PENSTOCK_HOG_FUNCTION(replace_one);
PENSTOCK_HOG_FUNCTION(replace_all);
PENSTOCK_HOG_FUNCTION(split_by_string);
// matching.cc
PENSTOCK_HOG_FUNCTION(like);
PENSTOCK_HOG_FUNCTION(match);
PENSTOCK_HOG_FUNCTION(extract_regex);
PENSTOCK_HOG_FUNCTION(multi_search);
PENSTOCK_HOG_FUNCTION(ip_in_range);
// encoding.cc
PENSTOCK_HOG_FUNCTION(encode_url);
PENSTOCK_HOG_FUNCTION(decode_url);
PENSTOCK_HOG_FUNCTION(try_decode_url);
PENSTOCK_HOG_FUNCTION(base64_encode);
PENSTOCK_HOG_FUNCTION(base64_decode);
PENSTOCK_HOG_FUNCTION(try_base64_decode);
PENSTOCK_HOG_FUNCTION(hash);
PENSTOCK_HOG_FUNCTION(hash_hex);
PENSTOCK_HOG_FUNCTION(hmac_chain);
PENSTOCK_HOG_FUNCTION(hmac_chain_hex);
PENSTOCK_HOG_FUNCTION(uuid_v4);
// logic.cc
PENSTOCK_HOG_FUNCTION(to_string);
PENSTOCK_HOG_FUNCTION(to_int);
PENSTOCK_HOG_FUNCTION(to_float);
PENSTOCK_HOG_FUNCTION(type_of);
PENSTOCK_HOG_FUNCTION(if_null);
PENSTOCK_HOG_FUNCTION(is_null);
PENSTOCK_HOG_FUNCTION(is_not_null);
PENSTOCK_HOG_FUNCTION(coalesce);
PENSTOCK_HOG_FUNCTION(assume_not_null);
PENSTOCK_HOG_FUNCTION(choose);
PENSTOCK_HOG_FUNCTION(multi_if);
PENSTOCK_HOG_FUNCTION(all_of);
PENSTOCK_HOG_FUNCTION(any_of);
PENSTOCK_HOG_FUNCTION(negate);
PENSTOCK_HOG_FUNCTION(equals);
PENSTOCK_HOG_FUNCTION(not_equals);
PENSTOCK_HOG_FUNCTION(less);
PENSTOCK_HOG_FUNCTION(less_or_equals);
PENSTOCK_HOG_FUNCTION(greater);
PENSTOCK_HOG_FUNCTION(greater_or_equals);
PENSTOCK_HOG_FUNCTION(contained_in);
PENSTOCK_HOG_FUNCTION(empty);
PENSTOCK_HOG_FUNCTION(not_empty);
PENSTOCK_HOG_FUNCTION(plus);
PENSTOCK_HOG_FUNCTION(minus);
PENSTOCK_HOG_FUNCTION(floor);
PENSTOCK_HOG_FUNCTION(round);
PENSTOCK_HOG_FUNCTION(min2);
PENSTOCK_HOG_FUNCTION(random_float);
PENSTOCK_HOG_FUNCTION(make_error);
PENSTOCK_HOG_FUNCTION(make_hog_error);
PENSTOCK_HOG_FUNCTION(print);
// arrays.cc
PENSTOCK_HOG_FUNCTION(range);
PENSTOCK_HOG_FUNCTION(tuple);
PENSTOCK_HOG_FUNCTION(push_back);
PENSTOCK_HOG_FUNCTION(push_front);
PENSTOCK_HOG_FUNCTION(pop_back);
PENSTOCK_HOG_FUNCTION(pop_front);
PENSTOCK_HOG_FUNCTION(sort);
PENSTOCK_HOG_FUNCTION(array_reverse);
PENSTOCK_HOG_FUNCTION(reverse_sort);
PENSTOCK_HOG_FUNCTION(string_concat);
PENSTOCK_HOG_FUNCTION(has);
PENSTOCK_HOG_FUNCTION(index_of);
PENSTOCK_HOG_FUNCTION(keys);
PENSTOCK_HOG_FUNCTION(values);
// json.cc
PENSTOCK_HOG_FUNCTION(json_parse);
PENSTOCK_HOG_FUNCTION(json_stringify);
PENSTOCK_HOG_FUNCTION(is_valid_json);
PENSTOCK_HOG_FUNCTION(json_has);
PENSTOCK_HOG_FUNCTION(json_length);
PENSTOCK_HOG_FUNCTION(json_extract);
PENSTOCK_HOG_FUNCTION(json_extract_array);
PENSTOCK_HOG_FUNCTION(json_extract_bool);
PENSTOCK_HOG_FUNCTION(json_extract_float);
PENSTOCK_HOG_FUNCTION(json_extract_int);
PENSTOCK_HOG_FUNCTION(json_extract_string);
// dates.cc, calendar.cc
PENSTOCK_HOG_FUNCTION(now);
PENSTOCK_HOG_FUNCTION(today);
PENSTOCK_HOG_FUNCTION(to_date);
PENSTOCK_HOG_FUNCTION(to_date_time);
PENSTOCK_HOG_FUNCTION(to_unix);
PENSTOCK_HOG_FUNCTION(to_unix_milli);
PENSTOCK_HOG_FUNCTION(from_unix);
PENSTOCK_HOG_FUNCTION(from_unix_milli);
PENSTOCK_HOG_FUNCTION(to_time_zone);
PENSTOCK_HOG_FUNCTION(format_date_time);
PENSTOCK_HOG_FUNCTION(date_add);
PENSTOCK_HOG_FUNCTION(date_diff);
PENSTOCK_HOG_FUNCTION(date_trunc);
PENSTOCK_HOG_FUNCTION(add_days);
PENSTOCK_HOG_FUNCTION(extract_part);
PENSTOCK_HOG_FUNCTION(to_year);
PENSTOCK_HOG_FUNCTION(to_month);
PENSTOCK_HOG_FUNCTION(to_yyyymm);
PENSTOCK_HOG_FUNCTION(start_of_day);
PENSTOCK_HOG_FUNCTION(start_of_hour);
PENSTOCK_HOG_FUNCTION(start_of_month);
PENSTOCK_HOG_FUNCTION(start_of_week);
PENSTOCK_HOG_FUNCTION(to_interval);

/// toString's text of a date or datetime; nullopt where JavaScript's is null (an invalid one).
std::optional<std::string> date_text(Context& context, const Value& value);

}  // namespace penstock::hog::stl
