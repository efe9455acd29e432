import { z } from "zod";
import type { Outcome } from "./outcome.ts";

const Test = z.object({
  fullName: z.string(),
  status: z.string(),
  failureMessages: z.array(z.string()).nullish(),
});

const TestFile = z.object({
  name: z.string(),
  status: z.string(),
  message: z.string(),
  assertionResults: z.array(Test),
});

/** What vitest's json reporter writes, as far as the gate reads it. */
const VitestReport = z.object({
  success: z.boolean(),
  testResults: z.array(TestFile),
});

const RAN = ["passed", "failed"];

/** Reads the report that vitest's json reporter wrote. */
export function parseVitest(json: unknown): Outcome {
  const report = VitestReport.parse(json);
  const tests = report.testResults.flatMap((file) =>
    file.assertionResults.map((test) => ({ ...test, file: file.name }))
  );
  const bad = tests.filter((test) => test.status === "failed");
  const good = tests.filter((test) => test.status === "passed");
  const rest = tests.filter((test) => !RAN.includes(test.status));
  // A file that could not be loaded, or whose hooks threw.
  const broken = report.testResults.filter((file) =>
    file.status === "failed" &&
    file.assertionResults.every((test) => test.status !== "failed")
  );
  const failed = bad.length + broken.length;
  // An error outside of any test, for example a rejection nobody awaited.
  const outside = !report.success && failed === 0;
  return {
    passed: good.length,
    failed: failed + (outside ? 1 : 0),
    skipped: rest.map((test) => `${test.file}: ${test.fullName}`),
    report: [
      ...bad.map((test) =>
        `${test.file} › ${test.fullName}\n${reason(test.failureMessages)}`
      ),
      ...broken.map((file) => `${file.name}\n${file.message}`),
    ].join("\n"),
  };
}

/** The messages without the frames of the test runner itself. */
function reason(messages: readonly string[] | null | undefined): string {
  return (messages ?? []).join("\n").split("\n")
    .filter((line) => !/^\s+at .*(node_modules|node:|<anonymous>)/.test(line))
    .join("\n");
}
