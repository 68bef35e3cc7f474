// A feature flag as PostHog writes it, as the form shows it, and where it is decided.

export interface FlagProperty {
  key?: string;
  type?: string;
}
export interface FlagCondition {
  properties?: FlagProperty[] | null;
  rollout_percentage?: number | null;
  variant?: string | null;
  aggregation_group_type_index?: number | null;
}
export interface FlagVariant {
  key: string;
  name?: string;
  rollout_percentage: number;
}
export interface FlagFilters {
  groups?: FlagCondition[] | null;
  multivariate?: { variants?: FlagVariant[] | null } | null;
  payloads?: Record<string, unknown> | null;
  aggregation_group_type_index?: number | null;
  [other: string]: unknown;
}
export interface Flag {
  id: number;
  key: string;
  name?: string;
  active?: boolean;
  version?: number;
  ensure_experience_continuity?: boolean | null;
  filters?: FlagFilters | null;
  [other: string]: unknown;
}

export interface FormVariant {
  key: string;
  percentage: number;
  payload: string;
}
export interface FlagForm {
  key: string;
  name: string;
  active: boolean;
  rollout: number;
  variants: FormVariant[];
  payload: string; // of a flag without variants, JSON text
}

const kFormFilters = new Set(["groups", "multivariate", "payloads", "aggregation_group_type_index"]);

function is_set(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return false;
  return !Array.isArray(value) || value.length > 0;
}

/** Whether the form can show and keep everything that decides this flag. */
export function fits_form(flag: Flag): boolean {
  const filters = flag.filters ?? {};
  const groups = filters.groups ?? [];
  const first = groups[0];
  if (groups.length > 1 || is_set(filters.aggregation_group_type_index)) return false;
  if (first && (is_set(first.properties) || is_set(first.variant) || is_set(first.aggregation_group_type_index))) {
    return false;
  }
  return Object.entries(filters).every(([key, value]) => kFormFilters.has(key) || !is_set(value));
}

/** A payload is kept as JSON text in a string; older ones as the value itself. */
function payload_text(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function form_of(flag: Flag): FlagForm {
  const filters = flag.filters ?? {};
  const payloads = filters.payloads ?? {};
  return {
    key: flag.key,
    name: flag.name ?? "",
    active: flag.active ?? true,
    rollout: filters.groups?.length ? (filters.groups[0]?.rollout_percentage ?? 100) : 0,
    variants: (filters.multivariate?.variants ?? []).map((v) => ({
      key: v.key,
      percentage: v.rollout_percentage,
      payload: payload_text(payloads[v.key]),
    })),
    payload: payload_text(payloads["true"]),
  };
}

export const kNewForm: FlagForm = { key: "", name: "", active: true, rollout: 100, variants: [], payload: "" };

/** What to send for the form; members of the flag that it does not show stay as they are. */
export function flag_of(form: FlagForm, before?: Flag): Partial<Flag> {
  const payloads: Record<string, string> = {};
  if (form.variants.length === 0 && form.payload.trim()) payloads["true"] = form.payload.trim();
  for (const v of form.variants) if (v.payload.trim()) payloads[v.key] = v.payload.trim();
  const group = before?.filters?.groups?.[0] ?? { properties: [] };
  const names = new Map((before?.filters?.multivariate?.variants ?? []).map((v) => [v.key, v]));
  return {
    key: form.key.trim(),
    name: form.name,
    active: form.active,
    filters: {
      ...before?.filters,
      groups: [{ ...group, rollout_percentage: form.rollout }],
      multivariate: form.variants.length
        ? { variants: form.variants.map((v) => ({ ...names.get(v.key), key: v.key, rollout_percentage: v.percentage })) }
        : null,
      payloads,
    },
  };
}

/** What keeps the form from being saved, in words; nothing when it is fine. */
export function problem_of(form: FlagForm): string | null {
  if (!/^[a-zA-Z0-9_-]+$/.test(form.key.trim())) return "A key has letters, digits, - and _.";
  const keys = form.variants.map((v) => v.key.trim());
  if (keys.some((k) => k === "")) return "Every variant needs a key.";
  if (new Set(keys).size < keys.length) return "Two variants have the same key.";
  const sum = form.variants.reduce((all, v) => all + v.percentage, 0);
  if (form.variants.length && Math.abs(sum - 100) > 0.01) return `The variants add up to ${sum} %, not to 100 %.`;
  const texts = form.variants.length ? form.variants.map((v) => v.payload) : [form.payload];
  for (const text of texts) {
    if (!text.trim()) continue;
    try {
      JSON.parse(text);
    } catch {
      return "A payload is not JSON. A text needs quotes: \"like this\".";
    }
  }
  return null;
}

export interface Decided {
  place: "here" | "sdk" | "nowhere";
  why: string;
}

const kAsks: Record<string, string> = {
  cohort: "cohorts",
  flag: "other flags",
  group: "groups",
};

/** Where the flag gets its answer, as docs/compat/browser.md has it. */
export function decided(flag: Flag): Decided {
  const filters = flag.filters ?? {};
  const groups = filters.groups ?? [];
  if (is_set(filters["feature_enrollment"]) || is_set(filters["super_groups"])) {
    return { place: "nowhere", why: "Early access enrollment is not evaluated yet." };
  }
  const hashed = is_set(filters.multivariate?.variants) || groups.some((g) => (g.rollout_percentage ?? 100) < 100);
  if (flag.ensure_experience_continuity && hashed) {
    return { place: "nowhere", why: "Experience continuity is not evaluated yet." };
  }
  if (is_set(filters.aggregation_group_type_index) || groups.some((g) => is_set(g.aggregation_group_type_index))) {
    return { place: "sdk", why: "It is for groups." };
  }
  const types = new Set(
    groups.flatMap((g) => (g.properties ?? []).map((p) => kAsks[p.type ?? ""] ?? "properties")),
  );
  if (types.size > 0) return { place: "sdk", why: `Its conditions ask for ${[...types].sort().join(" and ")}.` };
  return { place: "here", why: "Rollout and variants are decided by PostHog's hash." };
}

/** One line about who gets what. */
export function summary(flag: Flag): string {
  const filters = flag.filters ?? {};
  const groups = filters.groups ?? [];
  const variants = filters.multivariate?.variants ?? [];
  const shares = variants.map((v) => `${v.key} ${v.rollout_percentage} %`).join(", ");
  if (groups.length === 0) return "Nobody: it has no condition";
  const who =
    groups.length > 1
      ? `${groups.length} conditions`
      : `${is_set(groups[0]?.properties) ? "Who matches" : "Everybody"}, ${groups[0]?.rollout_percentage ?? 100} %`;
  return shares ? `${who} · ${shares}` : who;
}
