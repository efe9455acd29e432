/** One thing of a database, or one property of it, in words. */
export interface Entry {
  readonly title: string;
  readonly text: string;
}

/** What the two sides are called in a report. */
export interface Sides {
  readonly left: string;
  readonly right: string;
}

/** Every entry that is not the same on both sides, in words. */
export function differences(
  left: readonly Entry[],
  right: readonly Entry[],
  sides: Sides,
): string[] {
  const inLeft = byTitle(left);
  const inRight = byTitle(right);
  const titles = [...new Set([...inLeft.keys(), ...inRight.keys()])].sort();
  return titles.flatMap((title) => {
    const a = inLeft.get(title);
    const b = inRight.get(title);
    if (a === b) return [];
    if (a === undefined) return `Only in ${sides.right}: ${title}`;
    if (b === undefined) return `Only in ${sides.left}: ${title}`;
    return [
      `Different: ${title}`,
      ...linesWithout(a, b).map((line) => `  ${sides.left}: ${line}`),
      ...linesWithout(b, a).map((line) => `  ${sides.right}: ${line}`),
    ].join("\n");
  });
}

function byTitle(entries: readonly Entry[]): Map<string, string> {
  const texts = new Map<string, string[]>();
  for (const { title, text } of entries) {
    texts.set(title, [...texts.get(title) ?? [], text]);
  }
  return new Map(
    [...texts].map(([title, list]) => [title, list.sort().join("\n")]),
  );
}

/** The lines of `text` that `other` has not; all, if only their order differs. */
function linesWithout(text: string, other: string): string[] {
  const lines = text.split("\n");
  const known = new Set(other.split("\n"));
  const rest = lines.filter((line) => !known.has(line));
  const sameLines = rest.length === 0 &&
    other.split("\n").every((line) => lines.includes(line));
  return sameLines ? lines : rest;
}
