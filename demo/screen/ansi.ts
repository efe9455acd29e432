import type { Line, Style } from "./line.ts";

// The sixteen colours of the terminal's own theme: readable on dark and light.
const CODES: Readonly<Record<Style, string>> = {
  plain: "",
  faint: "2",
  title: "1",
  good: "32",
  bad: "1;31",
  warning: "33",
  active: "36",
  user0: "34",
  user1: "35",
  user2: "33",
  user3: "32",
  user4: "36",
  user5: "31",
};

/** A line as a terminal takes it. */
export function ansi(line: Line, hasColour: boolean): string {
  return line.map(({ text, style }) => {
    const code = hasColour ? CODES[style] : "";
    return code === "" ? text : `\x1b[${code}m${text}\x1b[0m`;
  }).join("");
}
