import { describe, expect, it } from "vitest";
import { parseVitest } from "./vitest-result.ts";

const passed = { fullName: "x ok", status: "passed", failureMessages: [] };
const failed = {
  fullName: "x bad",
  status: "failed",
  failureMessages: [
    "AssertionError: expected 1 to be 2\n" +
    "    at /checkout/tests/a.test.ts:2:61\n" +
    "    at file:///checkout/node_modules/@vitest/runner/dist/chunk.js:302:11",
  ],
};
const skipped = { fullName: "x later", status: "todo" };

function file(assertionResults: unknown[], status = "passed", message = "") {
  return { name: "tests/a.test.ts", status, message, assertionResults };
}

describe("parseVitest()", () => {
  it("counts passed, failed and skipped tests", () => {
    const outcome = parseVitest({
      success: false,
      testResults: [file([passed, failed, skipped, passed], "failed")],
    });
    expect(outcome).toMatchObject({
      passed: 2,
      failed: 1,
      skipped: ["tests/a.test.ts: x later"],
    });
  });

  it("shows the message and the place, without the runner's frames", () => {
    const { report } = parseVitest({
      success: false,
      testResults: [file([failed], "failed")],
    });
    expect(report).toContain("x bad");
    expect(report).toContain("expected 1 to be 2");
    expect(report).toContain("a.test.ts:2:61");
    expect(report).not.toContain("node_modules");
  });

  it("counts a file that could not be loaded as one failure", () => {
    const outcome = parseVitest({
      success: false,
      testResults: [file([], "failed", "Cannot find module"), file([passed])],
    });
    expect(outcome).toMatchObject({ passed: 1, failed: 1 });
    expect(outcome.report).toContain("Cannot find module");
  });

  it("counts an error outside of any test", () => {
    const outcome = parseVitest({
      success: false,
      testResults: [file([passed])],
    });
    expect(outcome).toMatchObject({ passed: 1, failed: 1 });
  });
});
