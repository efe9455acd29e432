import { describe, expect, test } from "vitest";
import { aBoard, anEvent, aUser, aWorker, many } from "./_test/board.ts";
import type { Board } from "./board.ts";
import { textOf, widthOf } from "./line.ts";
import { render, type Size } from "./render.ts";

const SMALL = { columns: 80, rows: 24 };

function shown(board: Board, size: Size = SMALL): string[] {
  return render(board, size).map(textOf);
}

const crowd = aBoard({
  users: many(12, (n) => aUser(`User with a rather long name ${n}`)),
  workers: [
    ...many(30, (n) => aWorker(`cloud-${n}`, { doing: "x".repeat(300) })),
    aWorker("cloud-30", { state: "dead", doing: "holds a task" }),
  ],
  events: many(60, (n) => anEvent(`Event ${n}`)),
  turns: many(200, () => "Dana"),
  queue: {
    ...aBoard().queue,
    blocked: Object.fromEntries(many(20, (n) => [`reason_number_${n}`, n])),
  },
});

describe("render()", () => {
  test("shows a run at a glance", () => {
    expect(shown(aBoard())).toEqual([
      "Task queue demo  1:23  20 x faster  seed 7               3.3 tasks/s   rescued 1",
      "claimable 6  active 3  orchestrators 1  complete 61  failed 1  of 112",
      "█".repeat(44) + "▓▓▓" + "▒▒▒▒" + "░".repeat(29),
      "waiting user_at_limit 20, not_yet 1",
      "turns DRD",
      "USERS          slots       ready   complete",
      "Dana           ■■■ 3/3        17          5   waits for a slot",
      "Robin          ■□□ 1/3         0          5",
      "WORKERS      cloud: the service key; -pc: a user's own machine, a token",
      "cloud-2      DEAD     holds a task",
      "cloud-1      works on join_clips of Dana",
      "EVENTS",
      "1:02 Dana enqueues 44 tasks",
      "1:02 cloud-2 dies",
    ]);
  });

  test.each([
    SMALL,
    { columns: 200, rows: 60 },
    { columns: 40, rows: 12 },
    { columns: 20, rows: 5 },
    { columns: 1, rows: 1 },
    { columns: 0, rows: 0 },
  ])("never leaves a terminal of %j, whoever is on it", (size) => {
    for (const board of [aBoard(), crowd]) {
      const lines = render(board, size);
      expect(lines.length).toBeLessThanOrEqual(size.rows);
      for (const line of lines) {
        expect(widthOf(line)).toBeLessThanOrEqual(size.columns);
      }
    }
  });

  test("counts what has no room, and cuts off no dead worker", () => {
    const lines = shown(crowd);
    expect(lines).toHaveLength(SMALL.rows);
    expect(lines.filter((line) => /^… and \d+ more$/.test(line)))
      .toHaveLength(2);
    expect(lines).toContain("cloud-30     DEAD     holds a task");
    expect(lines.at(-1)).toBe("1:02 Event 59");
  });

  test("uses the room of a large terminal", () => {
    const lines = shown(crowd, { columns: 120, rows: 80 });
    expect(lines).toHaveLength(80);
    expect(lines.join("\n")).not.toContain("more");
    expect(lines.filter((line) => line.includes("Event"))).toHaveLength(28);
    expect(lines.filter((line) => line.startsWith("cloud-"))).toHaveLength(31);
  });

  test("keeps slots and names apart in a narrow terminal", () => {
    const lines = shown(
      aBoard({ users: [aUser("Maximiliana", { limit: 4 })] }),
      {
        columns: 30,
        rows: 24,
      },
    );
    expect(lines).toContain("Maximil… ■□□□ 1/4         0  …");
  });

  test("is not confused by a queue that has nothing in it", () => {
    const queue = { ...aBoard().queue, enqueued: 0, blocked: {} };
    const none = { claimable: 0, active: 0, orchestrators: 0 };
    const [, , bar, waiting] = shown(aBoard({
      queue: { ...queue, ...none, complete: 0, failed: 0 },
    }));
    expect(bar).toBe("░".repeat(80));
    expect(waiting).toBe("waiting nothing");
  });
});
