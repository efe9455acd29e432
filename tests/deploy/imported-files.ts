import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Every file that an entry file needs, itself among them. */
export function importedFiles(
  entry: string,
  seen = new Set<string>(),
): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  const source = readFileSync(entry, "utf8");
  const specifiers = source.matchAll(
    /^\s*(?:import|export)\b[^;"']*?(?:from\s*)?["'](\.{1,2}\/[^"']+)["']/gm,
  );
  for (const [, specifier] of specifiers) {
    if (specifier) importedFiles(resolve(dirname(entry), specifier), seen);
  }
  return seen;
}
