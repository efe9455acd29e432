import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir, denoProgram } from "../../stack/paths.ts";
import type { Section } from "./section.ts";
import { svgPlot } from "./svg-plot.ts";
import { markdownTable } from "./table.ts";

const begin = "<!-- Written by npm run bench: begin -->";
const end = "<!-- Written by npm run bench: end -->";

/** Replaces what the bench wrote into docs/performance.md before. */
export function writeDocs(intro: string[], sections: Section[]): void {
  const docs = join(checkoutDir, "docs");
  const file = join(docs, "performance.md");
  const text = readFileSync(file, "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) {
    throw new Error(`${file} has lost the lines between which results go`);
  }
  const plotDir = join(docs, "performance");
  mkdirSync(plotDir, { recursive: true });
  for (const plot of sections.flatMap((section) => section.plots ?? [])) {
    writeFileSync(join(plotDir, `${plot.file}.svg`), svgPlot(plot));
  }
  const body = [...intro, ...sections.map(markdown)].join("\n\n");
  writeFileSync(
    file,
    `${text.slice(0, from)}${begin}\n\n${body}\n\n${text.slice(to)}`,
  );
  // The gate asks for it, of plots as of text.
  execFileSync(denoProgram(), ["fmt", "--quiet", file, plotDir], {
    cwd: checkoutDir,
  });
}

function markdown({ title, notes, head, rows, plots }: Section): string {
  const images = (plots ?? []).map((plot) =>
    `![${plot.title}](performance/${plot.file}.svg)`
  );
  return [`### ${title}`, ...notes, ...images, markdownTable(head, rows)]
    .join("\n\n");
}
