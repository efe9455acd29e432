import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkoutDir as root } from "../../stack/paths.ts";
import { brokenLinks, linksOf } from "./links.ts";

const documents = readdirSync(join(root, "docs"), { recursive: true })
  .map((name) => join("docs", String(name)))
  .filter((name) => name.endsWith(".md"));
const pages = readdirSync(root)
  .filter((name) => name.endsWith(".md"))
  .concat(documents);

test("every link of a document leads to a file, and to a heading of it", () => {
  expect(brokenLinks(root, pages)).toEqual([]);
});

test("every document is found from the README in two clicks", () => {
  const first = new Set(linksOf(root, "README.md").map(({ to }) => to));
  const second = [...first]
    .filter((page) => page.endsWith(".md"))
    .flatMap((page) => linksOf(root, page).map(({ to }) => to));
  // A folder is found when it is linked: the code host lists its files.
  const found = new Set([...first, ...second]);
  const isFound = (page: string) =>
    found.has(page) || [...found].some((to) => page.startsWith(join(to, "/")));
  expect(documents.filter((page) => !isFound(page))).toEqual([]);
});

test("the README has at most 150 lines", () => {
  const lines = readFileSync(join(root, "README.md"), "utf8").split("\n");
  expect(lines.length - 1).toBeLessThanOrEqual(150);
});

test("a lost file, a lost heading and a lost heading of the same page are broken", () => {
  const dir = mkdtempSync(join(tmpdir(), "links-"));
  try {
    writeFileSync(join(dir, "b.md"), "# Two, of `these`\n");
    writeFileSync(
      join(dir, "a.md"),
      "# One\n\n[1](b.md#two-of-these) [2](#one) [3](c.md) [4](b.md#one) [5](#two)\n",
    );
    expect(brokenLinks(dir, ["a.md"])).toEqual([
      "a.md: c.md",
      "a.md: b.md#one",
      "a.md: a.md#two",
    ]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
