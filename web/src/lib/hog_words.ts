// What Hog knows, for completion: its words, what an app is given, and the library's functions.

export const kHogWords = ["let", "if", "else", "while", "for", "in", "fun", "return", "try", "catch", "throw", "and", "or", "not",
  "true", "false", "null", "between", "like", "ilike", "is"];

/** Members of what a transformation sees, by their path. */
export const kHogMembers: Record<string, string[]> = {
  event: ["uuid", "event", "distinct_id", "properties", "timestamp", "ip", "now", "site_url", "team_id"],
  "event.properties": ["$current_url", "$host", "$pathname", "$referrer", "$referring_domain", "$ip", "$session_id", "$device_id", "$browser",
    "$browser_version", "$os", "$os_version", "$device_type", "$lib", "$lib_version", "$groups", "$set", "$set_once"],
};

export const kHogFunctions: [string, string][] = [
  ["geoipLookup", "(ip): the place of an address, or null"],
  ["cleanNullValues", "(value): without members that are null"],
  ["isKnownBotUserAgent", "(text)"],
  ["isKnownBotIp", "(ip)"],
  ["print", "(…values): a line in the log"],
  ["toString", "(value)"],
  ["toInt", "(text)"],
  ["toFloat", "(text)"],
  ["ifNull", "(value, otherwise)"],
  ["empty", "(value)"],
  ["notEmpty", "(value)"],
  ["length", "(value)"],
  ["lower", "(text)"],
  ["upper", "(text)"],
  ["trim", "(text)"],
  ["substring", "(text, from, length)"],
  ["replaceAll", "(text, what, by)"],
  ["replaceOne", "(text, what, by)"],
  ["splitByString", "(separator, text)"],
  ["startsWith", "(text, prefix)"],
  ["position", "(text, part): from 1; 0: not there"],
  ["match", "(text, regex)"],
  ["extract", "(text, regex)"],
  ["concat", "(…texts)"],
  ["encodeURLComponent", "(text)"],
  ["decodeURLComponent", "(text)"],
  ["base64Encode", "(text)"],
  ["base64Decode", "(text)"],
  ["md5Hex", "(text)"],
  ["sha256Hex", "(text)"],
  ["sha256HmacChainHex", "([key, …texts])"],
  ["generateUUIDv4", "()"],
  ["jsonParse", "(text)"],
  ["jsonStringify", "(value)"],
  ["isValidJSON", "(text)"],
  ["keys", "(object)"],
  ["values", "(object)"],
  ["has", "(list, value)"],
  ["indexOf", "(list, value)"],
  ["arrayMap", "(item -> …, list)"],
  ["arrayFilter", "(item -> …, list)"],
  ["arrayExists", "(item -> …, list)"],
  ["arrayCount", "(item -> …, list)"],
  ["arrayPushBack", "(list, value)"],
  ["arraySort", "(list)"],
  ["arrayReverse", "(list)"],
  ["arrayStringConcat", "(list, separator)"],
  ["now", "()"],
  ["today", "()"],
  ["toDate", "(text)"],
  ["toDateTime", "(text)"],
  ["toUnixTimestamp", "(time)"],
  ["fromUnixTimestamp", "(seconds)"],
  ["formatDateTime", "(time, format)"],
  ["dateDiff", "(unit, from, to)"],
  ["dateAdd", "(unit, count, time)"],
  ["round", "(number)"],
  ["floor", "(number)"],
  ["typeof", "(value)"],
  ["Error", "(message, payload)"],
];

/** The path that is being typed at the end of a line: "event.properties.$cu" is ["event.properties", "$cu"]. */
export function hog_path(before: string): { path: string; typed: string } {
  const [chain] = /[A-Za-z_$][\w$]*(?:\.[\w$]*)*$/.exec(before) ?? [""];
  const at = chain.lastIndexOf(".");
  return at < 0 ? { path: "", typed: chain } : { path: chain.slice(0, at), typed: chain.slice(at + 1) };
}
