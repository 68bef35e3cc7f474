/** Any text as an SQL string; what it holds stays text. */
export function sql_text(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
