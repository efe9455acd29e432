import { writeFileSync } from "node:fs";
import type { Line } from "../screen/line.ts";
import { render } from "../screen/render.ts";
import type { Screen } from "../screen/screen.ts";
import { chooseFrames, type Frame } from "./frames.ts";
import { animatedSvg } from "./svg.ts";

/** A little more than the smallest terminal, for the events. */
const SIZE = { columns: 80, rows: 27 };

/** A screen that also remembers what was on it. */
export interface Recorder extends Screen {
  save(file: string): void;
}

/** Records what another screen is told to show. */
export function recorder(screen: Screen): Recorder {
  const frames: Frame[] = [];
  let ending: readonly Line[] = [];
  return {
    draw(board) {
      const isRescue = board.workers.some(({ state }) => state === "failed");
      frames.push({ lines: render(board, SIZE), isRescue });
      screen.draw(board);
    },
    event: (event) => screen.event(event),
    close(summary) {
      ending = summary;
      screen.close(summary);
    },
    save(file) {
      // As it is left behind in the terminal, as far as there is room.
      const board = frames.at(-1)?.lines ?? [];
      const above = board.slice(0, SIZE.rows - ending.length - 1);
      const last = { lines: [...above, [], ...ending], isRescue: false };
      const all = [...chooseFrames(frames), last];
      writeFileSync(file, animatedSvg(all, SIZE));
    },
  };
}
