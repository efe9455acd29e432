import { describe, expect, it } from "vitest";
import { StartReport } from "./start-report.ts";

describe("StartReport", () => {
  it("says what took how long", async () => {
    const report = new StartReport(1_500);
    expect(await report.time("Postgres", () => Promise.resolve(42))).toBe(42);
    expect(report.text(3_000)).toBe(
      "Ready after 3.0 s: warm start (setup 1.5 s, Postgres 0.0 s)",
    );
  });

  it.each(
    [
      ["nothing", "cold start, the database is new"],
      ["a part", "the rest of a cold start that was interrupted"],
      ["a database", "warm start"],
    ] as const,
  )("tells a start that found %s from the others", (found, words) => {
    const report = new StartReport(0);
    report.found = found;
    expect(report.text(0)).toBe(`Ready after 0.0 s: ${words} (setup 0.0 s)`);
  });
});
