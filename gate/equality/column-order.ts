import type { DumpEntry } from "./dump-entries.ts";

/**
 * The entries with each table's lines in alphabetical order.
 *
 * Old databases had their columns in any order, and a column that could not be
 * changed in place has moved to the end: as a set they are the same table.
 */
export function withoutColumnOrder(entries: readonly DumpEntry[]): DumpEntry[] {
  return entries.map((entry) =>
    / Type: TABLE;/.test(entry.title)
      ? { ...entry, text: sortedLines(entry.text) }
      : entry
  );
}

function sortedLines(text: string): string {
  return text.split("\n").map((line) => line.replace(/,$/, "")).sort()
    .join("\n");
}
