import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkoutDir as root } from "../../stack/paths.ts";

/** The files of "Where is it?" in CONTRIBUTING.md, question by question. */
function answers(): [string, string[]][] {
  const page = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
  const [, section = ""] = page.split("\n## Where is it?\n");
  const rows = section.split("\n## ")[0]?.matchAll(/^\| (.+\?) +\| (.+) \|$/gm);
  return [...rows ?? []].map(([, question = "", files = ""]) => [
    question,
    [...files.matchAll(/`([^`]+)`/g)].map(([, file = ""]) => file),
  ]);
}

test("ten questions of the kind 'where is it?' have a file as an answer", () => {
  expect(answers().length).toBe(10);
  for (const [question, files] of answers()) {
    expect(files, question).not.toEqual([]);
    expect(files.filter((file) => !existsSync(join(root, file))), question)
      .toEqual([]);
  }
});
