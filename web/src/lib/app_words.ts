// What apps did with an event, in words.
import type { AppStep } from "../api/types";

const kShownMax = 60;

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "";
  return text.length > kShownMax ? `${text.slice(0, kShownMax)}…` : text;
};

/** "Enrich succeeded: plan is "pro", without $ip" */
export function app_words(step: AppStep): string {
  const changes = [
    ...Object.entries({ ...step.fields, ...step.set }).map(([key, value]) => `${key} is ${shown(value)}`),
    ...(step.unset ?? []).map((key) => `without ${key}`),
  ];
  if (step.keys) changes.push(`${step.keys} properties changed`);
  if (step.error) changes.push(step.error);
  if (step.why) changes.push(step.why);
  return `${step.name} ${step.status}${changes.length > 0 ? `: ${changes.join(", ")}` : ""}`;
}
