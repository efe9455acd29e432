/** What a piece of a line means; a screen gives it a colour or none. */
export type Style =
  | "plain"
  | "faint"
  | "title"
  | "good"
  | "bad"
  | "warning"
  | "active"
  /** One of the users, told apart by colour. */
  | `user${0 | 1 | 2 | 3 | 4 | 5}`;

/** A piece of a line. */
export interface Span {
  readonly text: string;
  readonly style: Style;
}

/** A line of the screen, from left to right. */
export type Line = readonly Span[];

/** A piece of a line. */
export function span(text: string, style: Style = "plain"): Span {
  return { text, style };
}

/** How many columns it takes; nothing here is wider than one per character. */
export function widthOf(line: Line): number {
  return line.reduce((sum, { text }) => sum + [...text].length, 0);
}

/** The text alone, as it stands without colours. */
export function textOf(line: Line): string {
  return line.map(({ text }) => text).join("").trimEnd();
}

/** A text in exactly so many columns; what is too long is cut, visibly. */
export function cell(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) {
    return text.padEnd(
      text.length + width - characters.length,
    );
  }
  if (width <= 0) return "";
  return characters.slice(0, width - 1).join("") + "…";
}

/** A line in at most so many columns. */
export function fit(line: Line, width: number): Line {
  if (widthOf(line) <= width) return line;
  const fitting: Span[] = [];
  let left = width;
  for (const { text, style } of line) {
    // There is more to come, so a piece that just fits is cut as well.
    const isCut = [...text].length >= left;
    fitting.push({ text: isCut ? cell(`${text} `, left) : text, style });
    if (isCut) break;
    left -= [...text].length;
  }
  return fitting;
}
