import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The commands of the README's quick start, block by block. */
export function quickStart(clone: string): string[] {
  const text = readFileSync(join(clone, "README.md"), "utf8");
  const section = /^## Quick start$([\s\S]*?)^## /m.exec(text)?.[1] ?? "";
  const blocks = [...section.matchAll(/^```bash\n([\s\S]*?)^```$/gm)];
  return blocks.map(([, commands = ""]) => commands);
}

/** The one block that holds these words. */
export function blockWith(blocks: readonly string[], words: string): string {
  const [found, ...more] = blocks.filter((block) => block.includes(words));
  if (found === undefined || more.length > 0) {
    throw new Error(`${more.length + 1} blocks of the README hold "${words}"`);
  }
  return found;
}

/** What `npm start` prints to be pasted. */
export function printedCommands(output: string): string {
  const [, text = ""] =
    /^Claim a task:$([\s\S]*?)^Ctrl-C stops everything/m.exec(output) ?? [];
  return text.replace(/^Complete it:$/m, "");
}
