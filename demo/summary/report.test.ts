import { describe, expect, test } from "vitest";
import { textOf, widthOf } from "../screen/line.ts";
import { type Finding, summaryLines } from "./report.ts";

function finding(holds: boolean, isTested = true): Finding {
  return {
    promise: "no task finished twice",
    heard: "0 twice",
    stored: holds ? "0 twice" : "1 twice",
    holds,
    isTested,
  };
}

describe("summaryLines()", () => {
  test("puts both sides beside each other", () => {
    expect(summaryLines([finding(true)]).map(textOf)).toEqual([
      "   PROMISE                          the demo heard         the database says",
      "ok no task finished twice           0 twice                0 twice",
      "Both agree, and every promise was kept",
    ]);
  });

  test("names and counts what does not hold", () => {
    const lines = summaryLines([finding(true), finding(false)]).map(textOf);
    expect(lines.slice(2)).toEqual([
      "NO no task finished twice           0 twice                1 twice",
      "1 of 2 do not hold",
    ]);
  });

  test("says what was not put to the test instead of that it was kept", () => {
    const lines = summaryLines([finding(true), finding(true, false)]);
    expect(lines.slice(1).map(textOf)).toEqual([
      "ok no task finished twice           0 twice                0 twice",
      "-- no task finished twice           0 twice                not put to the test",
      "Both agree; not put to the test: 1 of 2",
    ]);
  });

  test("says NO to what does not hold, tested or not", () => {
    const lines = summaryLines([finding(false, false)]).map(textOf);
    expect(lines.slice(1)).toEqual([
      "NO no task finished twice           0 twice                1 twice",
      "1 of 1 do not hold",
    ]);
  });

  test("stays within 80 columns, whatever was found", () => {
    const text = "x".repeat(100);
    const long = { promise: text, heard: text, stored: text, holds: true };
    const findings = [true, false].map((isTested) => ({ ...long, isTested }));
    for (const line of summaryLines(findings)) {
      expect(widthOf(line)).toBeLessThanOrEqual(80);
    }
  });
});
