// Queries worth starting from. Each runs on any project that has events.

export interface Example {
  title: string;
  sql: string;
}

export const kExamples: Example[] = [
  {
    title: "Events per minute, last hour",
    sql: `SELECT toStartOfMinute(timestamp) AS minute, count() AS events
FROM events
WHERE timestamp > now() - INTERVAL 1 HOUR
GROUP BY minute
ORDER BY minute WITH FILL STEP toIntervalMinute(1)`,
  },
  {
    title: "Newest events",
    sql: `SELECT timestamp, event, distinct_id, properties, uuid
FROM events
ORDER BY timestamp DESC
LIMIT 200`,
  },
  {
    title: "Most frequent events",
    sql: `SELECT event, count() AS events
FROM events
GROUP BY event
ORDER BY events DESC
LIMIT 20`,
  },
  {
    title: "Top events over time",
    sql: `SELECT toStartOfMinute(timestamp) AS minute, event, count() AS events
FROM events
WHERE timestamp > now() - INTERVAL 3 HOUR
GROUP BY minute, event
ORDER BY minute`,
  },
  {
    title: "Active people per day",
    sql: `SELECT toDate(timestamp) AS day, uniqExact(distinct_id) AS people
FROM events
GROUP BY day
ORDER BY day WITH FILL`,
  },
  {
    title: "By a property: browser",
    sql: `SELECT JSONExtractString(properties, '$browser') AS browser,
       count() AS events, uniqExact(distinct_id) AS people
FROM events
GROUP BY browser
ORDER BY events DESC
LIMIT 20`,
  },
];

export const kFirstSql = kExamples[0]?.sql ?? "SELECT 1";
