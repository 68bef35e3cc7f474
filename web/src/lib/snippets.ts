// What to paste into an SDK, with this project's own token and address.

export interface Snippet {
  id: string;
  label: string;
  language: string;
  install: string;
  code: string;
}

export function snippets(capture_url: string, token: string): Snippet[] {
  const host = capture_url.replace(/\/+$/, "");
  return [
    {
      id: "js",
      label: "Browser",
      language: "js",
      install: "npm install posthog-js",
      code: `import posthog from "posthog-js";

posthog.init("${token}", {
  api_host: "${host}",
});
posthog.capture("signed up", { plan: "pro" });`,
    },
    {
      id: "node",
      label: "Node",
      language: "js",
      install: "npm install posthog-node",
      code: `import { PostHog } from "posthog-node";

const client = new PostHog("${token}", { host: "${host}" });
client.capture({
  distinctId: "user-1",
  event: "signed up",
  properties: { plan: "pro" },
});
await client.shutdown();`,
    },
    {
      id: "python",
      label: "Python",
      language: "python",
      install: "pip install posthog",
      code: `from posthog import Posthog

client = Posthog("${token}", host="${host}")
client.capture("signed up", distinct_id="user-1", properties={"plan": "pro"})
client.shutdown()`,
    },
    {
      id: "go",
      label: "Go",
      language: "go",
      install: "go get github.com/posthog/posthog-go",
      code: `client, _ := posthog.NewWithConfig("${token}",
    posthog.Config{Endpoint: "${host}"})
defer client.Close()

client.Enqueue(posthog.Capture{
    DistinctId: "user-1",
    Event:      "signed up",
    Properties: posthog.NewProperties().Set("plan", "pro"),
})`,
    },
    {
      id: "curl",
      label: "curl",
      language: "sh",
      install: "",
      code: `curl ${host}/i/v0/e/ \\
  -H 'Content-Type: application/json' \\
  -d '{"api_key": "${token}", "event": "signed up",
       "distinct_id": "user-1", "properties": {"plan": "pro"}}'`,
    },
  ];
}
