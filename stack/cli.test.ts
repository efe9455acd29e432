import { expect, test, vi } from "vitest";
import { main } from "./cli.ts";
import { asksForHelp, stackUsage } from "./setup/usage.mjs";

async function said(args: string[]) {
  const error = vi.spyOn(console, "error").mockImplementation(() => {});
  return { code: await main(args), text: error.mock.calls.flat().join("\n") };
}

test("status refuses a form that it does not know", async () => {
  const { code, text } = await said(["status", "-o", "yaml"]);
  expect(code).toBe(1);
  expect(text).toBe("status -o takes pretty, env, json, not yaml");
});

test("a word too many is not passed over", async () => {
  const { code, text } = await said(["stop", "everything"]);
  expect(code).toBe(1);
  expect(text).toBe("Not understood: everything");
});

test("a command that there is not ends with 1 and the list of those", async () => {
  const { code, text } = await said(["strat"]);
  expect(code).toBe(1);
  expect(text).toBe(stackUsage);
});

test.each([[["--help"]], [["-h"]], [["help"]], [["start", "--help"]]])(
  "%j asks for help",
  (args) => expect(asksForHelp(args)).toBe(true),
);

test.each([[[]], [["start"]], [["status", "-o", "env"]]])(
  "%j does not",
  (args) => expect(asksForHelp(args)).toBe(false),
);
