import { type Line, span } from "../line.ts";

/**
 * A heading and a row per item in so many lines; what has no room is counted.
 */
export function rowsOf<Item>(
  heading: Line,
  items: readonly Item[],
  height: number,
  row: (item: Item) => Line,
): Line[] {
  if (height <= 0) return [];
  const room = height - 1;
  if (items.length <= room) return [heading, ...items.map(row)];
  const shown = items.slice(0, Math.max(room - 1, 0));
  const more = span(`… and ${items.length - shown.length} more`, "faint");
  return [heading, ...shown.map(row), [more]].slice(0, height);
}
