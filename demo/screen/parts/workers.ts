import type { Board, WorkerRow, WorkerState } from "../board.ts";
import { cell, type Line, span, type Style } from "../line.ts";
import { rowsOf } from "./rows.ts";

const STYLES: Readonly<Record<WorkerState, Style>> = {
  starting: "faint",
  idle: "faint",
  working: "active",
  stopping: "faint",
  dead: "bad",
  failed: "bad",
};

/** What each state is called on the screen. */
const WORDS: Readonly<Record<WorkerState, string>> = {
  starting: "starts",
  idle: "idle",
  working: "works on",
  stopping: "stops",
  dead: "DEAD",
  failed: "FAILED",
};

/** Workers and what they do; those that died are never cut off. */
export function workerLines({ workers }: Board, height: number): Line[] {
  const inOrder = [...workers].sort((a, b) => urgency(a) - urgency(b));
  const heading = [
    span(cell("WORKERS", 13), "title"),
    span("cloud: the service key; -pc: a user's own machine, a token", "faint"),
  ];
  return rowsOf(heading, inOrder, height, ({ name, state, doing }) => [
    span(cell(name, 12)),
    span(" "),
    span(cell(WORDS[state], 9), STYLES[state]),
    span(doing),
  ]);
}

function urgency({ state }: WorkerRow): number {
  return state === "dead" || state === "failed" ? 0 : 1;
}
