import type { Board } from "./board.ts";
import { type Line, textOf } from "./line.ts";
import { eventLine } from "./parts/events.ts";
import { clock } from "./parts/head.ts";
import type { Screen } from "./screen.ts";

/** For logs and pipes: a line per event, and one for each second. */
export function plainScreen(print: (text: string) => void): Screen {
  let printedSecond = -1;
  return {
    draw(board) {
      const second = Math.floor(board.elapsedMs / 1000);
      if (second === printedSecond) return;
      printedSecond = second;
      print(statusLine(board));
    },
    event: (event) => print(textOf(eventLine(event))),
    close: (summary: readonly Line[]) => print(summary.map(textOf).join("\n")),
  };
}

/** The board in one line. */
export function statusLine(
  { elapsedMs, queue, users, workers, perSecond, rescues }: Board,
): string {
  const waiting = Object.values(queue.blocked)
    .reduce((sum, tasks) => sum + tasks, 0);
  const slots = users.map(({ name, running, limit }) =>
    `${name} ${running}/${limit}`
  );
  return `${clock(elapsedMs)} claimable ${queue.claimable}, ` +
    `active ${queue.active}, waiting ${waiting}, complete ${queue.complete}, ` +
    `failed ${queue.failed} of ${queue.enqueued}, ` +
    `${perSecond.toFixed(1)} tasks/s; ${slots.join(", ")}; ` +
    `${workers.filter(({ state }) => state === "working").length} of ` +
    `${workers.length} workers work` +
    (rescues > 0 ? `; rescued ${rescues}` : "");
}
