/** A table as text, columns aligned; the first is left, numbers are right. */
export function textTable(head: string[], rows: string[][]): string {
  return lines(head, rows).map((cells) => cells.join("  ").trimEnd())
    .join("\n");
}

/** The same as Markdown, aligned as `deno fmt` does it. */
export function markdownTable(head: string[], rows: string[][]): string {
  const [top = [], ...body] = lines(head, rows);
  const rule = top.map((cell, n) =>
    isNumeric(rows, n) ? `${"-".repeat(cell.length - 1)}:` : "-".repeat(
      cell.length,
    )
  );
  return [top, rule, ...body].map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function lines(head: string[], rows: string[][]): string[][] {
  const widths = head.map((_, n) =>
    Math.max(3, ...[head, ...rows].map((row) => row[n]?.length ?? 0))
  );
  return [head, ...rows].map((row) =>
    widths.map((width, n) =>
      isNumeric(rows, n)
        ? (row[n] ?? "").padStart(width)
        : (row[n] ?? "").padEnd(width)
    )
  );
}

function isNumeric(rows: string[][], column: number): boolean {
  return rows.every((row) => /^[\d.,x–/ -]*$/.test(row[column] ?? ""));
}
