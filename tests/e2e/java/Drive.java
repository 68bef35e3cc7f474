// Sends a plan with posthog-server: JSON on standard input, what went wrong as JSON on standard output.
// The plan's form is told in ../sdk.py. With "legacy" as argument it is posthog-java 1, which has
// neither times, uuids, groups nor calls of its own, and knows Java's numbers only.

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.ToNumberPolicy;
import com.posthog.server.PostHog;
import com.posthog.server.PostHogCaptureOptions;
import com.posthog.server.PostHogConfig;
import com.posthog.server.PostHogInterface;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Drive {
  static class Event {
    String event;
    String distinct_id;
    String uuid;
    String timestamp;
    Map<String, Object> properties;
    Map<String, String> groups;
  }

  /** Something else than a capture. */
  static class Call {
    String call;
    String distinct_id;
    String alias;
    String type;
    String key;
    String message;
    String place;
    Map<String, Object> set;
    Map<String, Object> set_once;
  }

  static class Plan {
    String host;
    String key;
    int batch;
    boolean immediate;
    long pace_ms;
    List<Event> events;
    List<Call> calls;
  }

  /**
   * What the SDK says while it works, line by line: its queue tells nobody else whether a request
   * succeeded. A line that is neither is passed over.
   */
  static class Said extends OutputStream {
    private static final Pattern SENDING = Pattern.compile("Flushing (\\d+) events");
    private final StringBuilder line = new StringBuilder();
    private int underway = 0;
    private int delivered = 0;
    final List<String> refused = new ArrayList<>();

    @Override
    public synchronized void write(int b) {
      if (b != '\n') {
        line.append((char) b);
        return;
      }
      Matcher sending = SENDING.matcher(line);
      if (sending.find()) {
        delivered += underway;
        underway = Integer.parseInt(sending.group(1));
      } else if (line.indexOf("Flushing failed because of a network error") >= 0) {
        underway = 0; // back in the queue
      } else if (line.indexOf("was dropped") >= 0 || line.indexOf("was discarded") >= 0) {
        refused.add(line.toString());
      }
      line.setLength(0);
    }

    /** Whether that many were delivered; call it when no request is under way. */
    synchronized boolean settled(int wanted) {
      return delivered + underway >= wanted;
    }
  }

  static void server(Plan plan, List<String> errors) throws Exception {
    Said said = new Said();
    System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
    Map<String, String> uuids = new ConcurrentHashMap<>();
    PostHogConfig config =
        PostHogConfig.builder(plan.key)
            .host(plan.host)
            .flushAt(plan.batch)
            .maxBatchSize(plan.batch)
            .maxQueueSize(10000)
            .flushIntervalSeconds(1)
            .preloadFeatureFlags(false)
            .remoteConfig(false)
            .debug(true)
            .build();
    // Its events name themselves; a hook of the SDK gives them the plan's names.
    config.addBeforeSend(
        event -> {
          String uuid = uuids.remove(String.valueOf(event.getProperties().get("n")));
          return event.copy(
              event.getEvent(), event.getDistinctId(), event.getProperties(), event.getTimestamp(),
              uuid == null ? event.getUuid() : UUID.fromString(uuid), event.getType(),
              event.getMessageId(), event.getSet(), event.getApiKey());
        });
    PostHogInterface client = PostHog.with(config);
    int sent = 0;
    for (Event event : plan.events) {
      uuids.put(String.valueOf(event.properties.get("n")), event.uuid);
      client.capture(
          event.distinct_id,
          event.event,
          PostHogCaptureOptions.builder()
              .properties(event.properties)
              .groups(event.groups)
              .timestamp(OffsetDateTime.parse(event.timestamp).toInstant())
              .build());
      sent++;
      if (plan.immediate) settle(client, said, sent);
      Thread.sleep(plan.pace_ms);
    }
    for (Call call : plan.calls) {
      make(client, call);
      sent++;
    }
    settle(client, said, sent);
    client.close();
    errors.addAll(said.refused);
  }

  /** A client that is closed gives up on what it would try again, so all of it is settled first. */
  static void settle(PostHogInterface client, Said said, int wanted) throws Exception {
    long deadline = System.nanoTime() + 110_000_000_000L;
    do {
      Thread.sleep(100);
      client.flush();
    } while (!said.settled(wanted) && System.nanoTime() < deadline);
    if (!said.settled(wanted)) throw new IllegalStateException("not delivered in time");
  }

  static void make(PostHogInterface client, Call call) {
    switch (call.call) {
      case "set" -> client.identify(call.distinct_id, call.set, call.set_once);
      case "alias" -> client.alias(call.distinct_id, call.alias);
      case "group" -> client.group("eve", call.type, call.key, call.set);
      case "exception" ->
          client.captureException(
              new TypeError(call.message), call.distinct_id, Map.of("place", call.place));
      default -> throw new IllegalArgumentException(call.call);
    }
  }

  static void legacy(Plan plan) throws Exception {
    var client = new com.posthog.java.PostHog.Builder(plan.key).host(plan.host).build();
    for (Event event : plan.events) {
      client.capture(event.distinct_id, event.event, event.properties);
      Thread.sleep(plan.pace_ms);
    }
    client.shutdown();
  }

  public static void main(String[] arguments) throws Exception {
    PrintStream out = System.out; // the SDK's threads may still tell something at the end
    boolean legacy = arguments.length > 0 && arguments[0].equals("legacy");
    ToNumberPolicy numbers =
        legacy ? ToNumberPolicy.LONG_OR_DOUBLE : ToNumberPolicy.LAZILY_PARSED_NUMBER;
    Gson gson = new GsonBuilder().setObjectToNumberStrategy(numbers).create();
    Plan plan = gson.fromJson(new InputStreamReader(System.in, StandardCharsets.UTF_8), Plan.class);
    List<String> errors = new ArrayList<>();
    String version;
    if (legacy) {
      legacy(plan);
      version = version("com.posthog.java.PostHog", "posthog-");
    } else {
      server(plan, errors);
      version = version("com.posthog.server.PostHog", "posthog-server-");
    }
    out.println(gson.toJson(Map.of("errors", errors, "version", version)));
    System.exit(0); // its threads are no daemons
  }

  /** From the name of the jar that the SDK came in. */
  static String version(String name, String prefix) throws Exception {
    String jar = Class.forName(name).getProtectionDomain().getCodeSource().getLocation().getPath();
    return jar.replaceAll(".*/" + prefix + "(.*)\\.jar", "$1");
  }
}

class TypeError extends RuntimeException {
  TypeError(String message) {
    super(message);
  }
}
