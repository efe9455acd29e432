import { describe, expect, test } from "vitest";
import { textOf, widthOf } from "../screen/line.ts";
import { type Finding, summaryLines } from "./report.ts";

function finding(holds: boolean): Finding {
  return {
    promise: "no task finished twice",
    heard: "0 twice",
    stored: holds ? "0 twice" : "1 twice",
    holds,
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

  test("stays within 80 columns, whatever was found", () => {
    const text = "x".repeat(100);
    const long = { promise: text, heard: text, stored: text, holds: true };
    for (const line of summaryLines([long])) {
      expect(widthOf(line)).toBeLessThanOrEqual(80);
    }
  });
});
