import type { Board, Happening, Tone } from "../board.ts";
import { type Line, span, type Style } from "../line.ts";
import { clock } from "./head.ts";

const STYLES: Readonly<Record<Tone, Style>> = {
  plain: "plain",
  good: "good",
  bad: "bad",
  warning: "warning",
};

/** The latest events in so many lines, the newest at the bottom. */
export function eventLines({ events }: Board, height: number): Line[] {
  if (height <= 0) return [];
  const latest = height > 1 ? events.slice(1 - height) : [];
  return [[span("EVENTS", "title")], ...latest.map(eventLine)];
}

/** One event as a line. */
export function eventLine({ atMs, tone, text }: Happening): Line {
  return [span(`${clock(atMs)} `, "faint"), span(text, STYLES[tone])];
}
