import { describe, expect, test } from "vitest";
import { type Finding, summaryLines } from "./report.ts";

function finding(holds: boolean, isTested = true): Finding {
  const stored = holds ? "0 twice" : "1 twice";
  const promise = "no task finished twice";
  return { promise, heard: "0 twice", stored, holds, isTested };
}

const ROW = "no task finished twice           0 twice               ";
const OK = `ok ${ROW} 0 twice`;
const NO = `NO ${ROW} 1 twice`;
const OPEN = `-- ${ROW} not put to the test`;

describe("summaryLines()", () => {
  test.each([
    [
      "puts both sides beside each other",
      [finding(true)],
      [OK, "Both agree, and every promise was kept"],
    ],
    [
      "names and counts what does not hold",
      [finding(true), finding(false)],
      [OK, NO, "1 of 2 do not hold"],
    ],
    [
      "says what was not put to the test instead of that it was kept",
      [finding(true), finding(true, false)],
      [OK, OPEN, "Both agree; not put to the test: 1 of 2"],
    ],
    [
      "says NO to what does not hold, tested or not",
      [finding(false, false)],
      [NO, "1 of 1 do not hold"],
    ],
  ])("%s", (_what, findings, lines) => {
    expect(summaryLines(findings).slice(1)).toEqual(lines);
  });
});
