import { ansi } from "./ansi.ts";
import type { Board } from "./board.ts";
import type { Line } from "./line.ts";
import { render, type Size } from "./render.ts";
import type { Screen } from "./screen.ts";

const ESC = "\x1b[";
// The other screen of the terminal, so that what was there before comes back.
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}2J`;
const LEAVE = `${ESC}?25h${ESC}?1049l`;

/** The terminal, as far as it is drawn on. */
export interface Terminal {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

/**
 * Draws in place, and only the lines that have changed: nothing flickers.
 * Begins with the first board; `close` leaves the last one and the summary in
 * the scroll-back.
 */
export function terminalScreen(terminal: Terminal, hasColour: boolean): Screen {
  let drawn: string[] | undefined;
  let size: Size | undefined;
  let last: Board | undefined;

  const sizeNow = (): Size => ({
    columns: terminal.columns ?? 80,
    rows: terminal.rows ?? 24,
  });
  const linesOf = (board: Board, at: Size) =>
    render(board, at).map((line) => ansi(line, hasColour));

  return {
    draw(board) {
      last = board;
      const now = sizeNow();
      const isResized = now.columns !== size?.columns || now.rows !== size.rows;
      const before = isResized ? [] : drawn ?? [];
      let text = drawn === undefined ? ENTER : isResized ? `${ESC}2J` : "";
      const lines = linesOf(board, now);
      for (let row = 0; row < Math.max(lines.length, before.length); row++) {
        const line = lines[row] ?? "";
        if (line !== before[row]) text += `${ESC}${row + 1};1H${line}${ESC}K`;
      }
      size = now;
      drawn = lines;
      if (text !== "") terminal.write(text);
    },
    event() {},
    close(summary: readonly Line[]) {
      if (drawn !== undefined) terminal.write(LEAVE);
      drawn = undefined;
      const board = last === undefined ? [] : linesOf(last, sizeNow());
      const words = summary.map((line) => ansi(line, hasColour));
      terminal.write([...board, "", ...words, ""].join("\n"));
    },
  };
}
