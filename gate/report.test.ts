import { describe, expect, it } from "vitest";
import { fails, passes, total } from "./outcome.ts";
import {
  excerpt,
  exitCode,
  skippedLines,
  stepLine,
  summaryLine,
} from "./report.ts";

const SUMMARY = /^\d+ passed, \d+ failed(, \d+ skipped)?$/;

describe("summaryLine()", () => {
  it("counts what passed and what failed", () => {
    expect(summaryLine(total([passes(3), fails("x", 2)])))
      .toBe("3 passed, 2 failed");
  });

  it("names skips only when there are some", () => {
    expect(summaryLine({ ...passes(3), skipped: ["no network"] }))
      .toBe("3 passed, 0 failed, 1 skipped");
  });
});

describe("stepLine()", () => {
  it("marks a step by its outcome", () => {
    expect(stepLine("fmt", passes(), 812)).toMatch(/^✓ fmt +1 +0\.8 s$/);
    expect(stepLine("e2e", total([passes(40), fails("", 2)]), 1000))
      .toMatch(/^✗ e2e +42 +1\.0 s +2 failed$/);
    expect(stepLine("e2e", { ...passes(0), skipped: ["no stack"] }, 0))
      .toMatch(/^- e2e/);
  });

  it("never looks like the summary", () => {
    const outcome = total([passes(40), fails("", 2)]);
    expect(stepLine("e2e", outcome, 1000)).not.toMatch(/\d passed/);
  });
});

describe("excerpt()", () => {
  it("hides summaries of the programs it ran", () => {
    expect(excerpt("red\n3 passed, 1 failed\nend\n"))
      .toBe("    │ red\n    │ end");
  });

  it("keeps beginning and end of a long report", () => {
    const report = Array.from({ length: 1000 }, (_, n) => `line ${n}`);
    const lines = excerpt(report.join("\n")).split("\n");
    expect(lines.length).toBe(121);
    expect(lines[0]).toContain("line 0");
    expect(lines.at(-1)).toContain("line 999");
    expect(lines[60]).toContain("880 lines left out");
  });

  it("prints no line that could be taken for the summary", () => {
    const lines = excerpt("1 passed, 0 failed\nx\n").split("\n");
    expect(lines.some((line) => SUMMARY.test(line.trim()))).toBe(false);
  });
});

describe("exitCode()", () => {
  it("is 0 only when something passed and nothing failed", () => {
    expect(exitCode(passes(1))).toBe(0);
    expect(exitCode(total([passes(9), fails("")]))).toBe(1);
    expect(exitCode(passes(0))).toBe(1);
  });
});

describe("skippedLines()", () => {
  it("names the first test of a file, and how many more were left out", () => {
    expect(skippedLines(["lint: no plpgsql_check", "a.ts: x", "a.ts: y"]))
      .toEqual([
        "skipped: lint: no plpgsql_check",
        "skipped: a.ts: x, and 1 more in a.ts",
      ]);
  });
});
