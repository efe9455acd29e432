/** A table as Markdown, which `deno fmt` aligns: columns of numbers right. */
export function markdownTable(head: string[], rows: string[][]): string {
  const rule = head.map((_, n) => isNumeric(rows, n) ? "--:" : "---");
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

function isNumeric(rows: string[][], column: number): boolean {
  return rows.every((row) => /^[\d.,x–/ -]*$/.test(row[column] ?? ""));
}
