import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir, denoProgram } from "../../stack/paths.ts";
import type { Section } from "./section.ts";
import { markdownTable } from "./table.ts";

const begin = "<!-- Written by npm run bench: begin -->";
const end = "<!-- Written by npm run bench: end -->";

/** Replaces what the bench wrote into bench/results.md before. */
export function writeResults(intro: string[], sections: Section[]): void {
  const file = join(checkoutDir, "bench", "results.md");
  const text = readFileSync(file, "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) {
    throw new Error(`${file} has lost the lines between which results go`);
  }
  const body = [...intro, ...sections.map(markdown)].join("\n\n");
  writeFileSync(
    file,
    `${text.slice(0, from)}${begin}\n\n${body}\n\n${text.slice(to)}`,
  );
  // The gate asks for it.
  execFileSync(denoProgram(), ["fmt", "--quiet", file], { cwd: checkoutDir });
}

function markdown({ title, notes, head, rows }: Section): string {
  return [`### ${title}`, ...notes, markdownTable(head, rows)].join("\n\n");
}
