// What the editor offers and colours beside the project's own tables.

export const kKeywords =
  "select from where group by order limit offset having with as distinct on using join left right " +
  "inner outer full cross any all asof array union except intersect and or not in is null like " +
  "ilike between case when then else end asc desc nulls first last interval prewhere sample final " +
  "settings format over partition rows range preceding following unbounded current row window " +
  "qualify fill step to totals rollup cube exists true false explain describe show tables " +
  "interval";

export const kTypes =
  "string uint8 uint16 uint32 uint64 int8 int16 int32 int64 float32 float64 date date32 datetime " +
  "datetime64 uuid bool array tuple map nullable lowcardinality decimal";

export const kFunctions = [
  "count", "countIf", "sum", "sumIf", "avg", "min", "max", "any", "argMax", "argMin", "uniq",
  "uniqExact", "uniqIf", "median", "quantile", "quantiles", "topK", "groupArray", "groupUniqArray",
  "windowFunnel", "retention", "sequenceMatch",
  "JSONExtractString", "JSONExtractInt", "JSONExtractFloat", "JSONExtractBool", "JSONExtractRaw",
  "JSONExtractKeys", "JSONHas", "JSONLength",
  "now", "today", "yesterday", "toDate", "toDateTime", "toStartOfMinute", "toStartOfFiveMinutes",
  "toStartOfHour", "toStartOfDay", "toStartOfWeek", "toStartOfMonth", "toStartOfInterval",
  "toHour", "toDayOfWeek", "dateDiff", "dateTrunc", "formatDateTime",
  "if", "multiIf", "coalesce", "nullIf", "ifNull", "round", "floor", "greatest", "least",
  "lower", "upper", "length", "concat", "substring", "position", "startsWith", "endsWith",
  "replaceAll", "splitByChar", "extract", "match", "domain", "path", "cutQueryString",
  "toString", "toInt64", "toFloat64", "arrayJoin", "arrayMap", "arrayFilter", "arraySort", "has",
  "length", "empty", "notEmpty", "lagInFrame", "row_number",
];
