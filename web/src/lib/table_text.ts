// A query's answer as text: one cell, or all of it as CSV or JSON.
import type { QueryAnswer } from "../api/types";

export function cell_text(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The whole value for reading: JSON in a string is laid out. */
export function pretty(value: unknown): string {
  if (value !== null && typeof value === "object") return JSON.stringify(value, null, 2);
  const text = cell_text(value);
  if (/^\s*[[{]/.test(text)) {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  }
  return text;
}

function csv_cell(value: unknown): string {
  const text = cell_text(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function to_csv(answer: QueryAnswer): string {
  const lines = [answer.columns.map(csv_cell).join(",")];
  for (const row of answer.results) lines.push(row.map(csv_cell).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

export function to_json(answer: QueryAnswer): string {
  const rows = answer.results.map((row) =>
    Object.fromEntries(answer.columns.map((c, i) => [c, row[i] ?? null])),
  );
  return `${JSON.stringify(rows, null, 1)}\n`;
}

export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
