import type { Board, QueueFigures } from "../board.ts";
import { type Line, type Span, span, type Style, widthOf } from "../line.ts";
import { userStyle } from "./users.ts";

/** The queue as a whole: title, numbers, a bar, why tasks wait, the turns. */
export function head(board: Board, columns: number): Line[] {
  const { queue } = board;
  return [
    title(board, columns),
    numbers(queue),
    bar(queue, columns),
    waiting(queue),
    turns(board, columns),
  ];
}

function title(board: Board, columns: number): Line {
  const { speed, seed, elapsedMs, perSecond, rescues } = board;
  const left = [
    span("Task queue demo", "title"),
    span(`  ${clock(elapsedMs)}  ${speed} x faster  seed ${seed}`, "faint"),
  ];
  const right = [
    span(`${perSecond.toFixed(1)} tasks/s`),
    span("   "),
    span(`rescued ${rescues}`, rescues > 0 ? "good" : "faint"),
  ];
  const gap = Math.max(2, columns - widthOf(left) - widthOf(right));
  return [...left, span(" ".repeat(gap)), ...right];
}

/** Minutes and seconds since the start. */
export function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const rest = String(seconds % 60).padStart(2, "0");
  return `${Math.floor(seconds / 60)}:${rest}`;
}

function numbers(queue: QueueFigures): Line {
  const figure = (name: string, value: number, style: Style) => [
    span(`${name} `, "faint"),
    span(String(value), value > 0 ? style : "faint"),
    span("  "),
  ];
  return [
    ...figure("claimable", queue.claimable, "plain"),
    ...figure("active", queue.active, "active"),
    ...figure("orchestrators", queue.orchestrators, "plain"),
    ...figure("complete", queue.complete, "good"),
    ...figure("failed", queue.failed, "bad"),
    span(`of ${queue.enqueued}`, "faint"),
  ];
}

/** All tasks as one bar; who is coloured ran or runs. */
function bar(queue: QueueFigures, columns: number): Line {
  const running = queue.active + queue.orchestrators;
  const parts: [number, string, Style][] = [
    [queue.complete, "█", "good"],
    [queue.failed, "█", "bad"],
    [running, "▓", "active"],
    [queue.claimable, "▒", "plain"],
  ];
  const known = parts.reduce((sum, [tasks]) => sum + tasks, 0);
  const whole = Math.max(queue.enqueued, known, 1);
  const spans: Span[] = [];
  let drawn = 0;
  let tasks = 0;
  for (const [count, sign, style] of parts) {
    tasks += count;
    // Rounded where it ends, so that the parts never add up to too much.
    const end = Math.round(tasks / whole * columns);
    spans.push(span(sign.repeat(end - drawn), style));
    drawn = end;
  }
  return [...spans, span("░".repeat(Math.max(columns - drawn, 0)), "faint")];
}

function waiting({ blocked }: QueueFigures): Line {
  const reasons = Object.entries(blocked).filter(([, tasks]) => tasks > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([reason, tasks]) => `${reason} ${tasks}`);
  return [span("waiting ", "faint"), span(reasons.join(", ") || "nothing")];
}

/** Whose tasks were handed out, one letter each, the latest at the right. */
function turns({ turns, users }: Board, columns: number): Line {
  const label = "turns ";
  const latest = turns.slice(-Math.max(columns - label.length, 0));
  return [
    span(label, "faint"),
    ...latest.map((name) => span(name.slice(0, 1), userStyle(users, name))),
  ];
}
