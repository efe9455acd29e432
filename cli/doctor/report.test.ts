import { expect, it } from "vitest";
import type { Finding, Severity } from "../finding.ts";
import { asText, exitCode } from "./report.ts";

const finding = (severity: Severity): Finding => ({
  code: `the-${severity}`,
  severity,
  what: `What the ${severity} is`,
  remedy: "first this\nthen that",
});

it("tells the worst first, then what nobody looked at, then how many", () => {
  const text = asText({
    findings: [finding("note"), finding("warning"), finding("error")],
    notLookedAt: ["Grants: this login may not"],
  });
  expect(text).toBe(`error (the-error): What the error is
  first this
  then that
warning (the-warning): What the warning is
  first this
  then that
note (the-note): What the note is
  first this
  then that
Not looked at:
  Grants: this login may not
1 error, 1 warning, 1 note.`);
});

it("counts more than one, and says when there is nothing", () => {
  const findings = [finding("warning"), finding("warning")];
  expect(asText({ findings, notLookedAt: [] })).toMatch(/\n2 warnings\.$/);
  expect(asText({ findings: [], notLookedAt: [] })).toBe("Nothing found.");
});

it("fails for errors only", () => {
  const codeOf = (...all: Severity[]) =>
    exitCode({ findings: all.map(finding), notLookedAt: ["all"] });
  expect(codeOf("note", "warning")).toBe(0);
  expect(codeOf("note", "error")).toBe(1);
  expect(codeOf()).toBe(0);
});
