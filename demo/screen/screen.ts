import type { Board, Happening } from "./board.ts";
import type { Line } from "./line.ts";

/** Where a run is shown. */
export interface Screen {
  /** The whole picture, several times a second. */
  draw(board: Board): void;
  /** Something happened just now; it is on the next board as well. */
  event(event: Happening): void;
  /** The run is over; lines to leave behind. */
  close(summary: readonly Line[]): void;
}
