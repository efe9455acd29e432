import type { Board } from "./board.ts";
import { fit, type Line } from "./line.ts";
import { eventLines } from "./parts/events.ts";
import { head } from "./parts/head.ts";
import { share } from "./share.ts";
import { userLines } from "./parts/users.ts";
import { workerLines } from "./parts/workers.ts";

/** A terminal, or what stands for one. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** From here on there is room for lines with nothing on them. */
const ROOMY_ROWS = 30;

/**
 * The board as lines, at most as many and as long as the terminal takes. People
 * and workers come before events; a terminal with room shows more of all.
 */
export function render(board: Board, { columns, rows }: Size): Line[] {
  const top = head(board, columns);
  if (rows >= ROOMY_ROWS) top.push([]);
  const [forUsers, forWorkers, forEvents] = share(rows - top.length, [
    { wanted: board.users.length + 1, least: 3 },
    { wanted: board.workers.length + 1, least: 4 },
    // The rest goes to what can use it without end.
    { wanted: Number.POSITIVE_INFINITY, least: 4 },
  ]);
  return [
    ...top,
    ...userLines(board, forUsers ?? 0, columns),
    ...workerLines(board, forWorkers ?? 0),
    ...eventLines(board, forEvents ?? 0),
  ].slice(0, Math.max(rows, 0)).map((line) => fit(line, columns));
}
