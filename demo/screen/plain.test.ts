import { describe, expect, test } from "vitest";
import { aBoard, anEvent } from "./_test/board.ts";
import { span } from "./line.ts";
import { plainScreen, statusLine } from "./plain.ts";

describe("statusLine()", () => {
  test("says all of it in one line without colours", () => {
    expect(statusLine(aBoard())).toBe(
      "1:23 claimable 6, active 3, waiting 21, complete 61, failed 1 of 112, " +
        "3.3 tasks/s; Dana 3/3, Robin 1/3; 1 of 2 workers work; rescued 1",
    );
  });
});

describe("plainScreen()", () => {
  test("prints a line for each second and each event, and the summary", () => {
    const printed: string[] = [];
    const screen = plainScreen((text) => printed.push(text));
    screen.draw(aBoard({ elapsedMs: 1000, rescues: 0 }));
    screen.draw(aBoard({ elapsedMs: 1999, rescues: 0 }));
    screen.event(anEvent("cloud-2 dies"));
    screen.draw(aBoard({ elapsedMs: 2000, rescues: 0 }));
    screen.close([[span("ok", "good")], [span("Both agree")]]);
    expect(printed).toEqual([
      expect.stringMatching(/^0:01 claimable/),
      "1:02 cloud-2 dies",
      expect.stringMatching(/^0:02 claimable/),
      "ok\nBoth agree",
    ]);
  });
});
