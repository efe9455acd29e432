import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { checkoutDir } from "../../stack/paths.ts";
import { isOlderThan } from "../../shared/version.ts";
import { generatedMigrations, staleMigrations } from "./generated.ts";
import { guestMigration } from "./guest.ts";
import {
  isAppended,
  LINES,
  nextPath,
  OF_GUESTS,
  pathOfUnreleased,
} from "./unreleased.ts";
import { versionFiles, versionOf } from "./version.ts";

// npm run release -- <version>: gives the version to everything that knows it,
// its name to the migration that comes with it, and its day to the changelog.

/** What happened, in words; throws with a reason and changes nothing if it may not be. */
export function release(root: string, version: string, now: Date): string[] {
  const before = versionOf(root);
  if (!/^\d+\.\d+\.\d+$/.test(version) || !isOlderThan(before, version)) {
    throw new Error(`The version must be three numbers and after ${before}`);
  }
  const stale = staleMigrations(root);
  if (stale.length > 0) throw new Error(stale.join("\n"));
  const changelog = cutChangelog(
    readFileSync(join(root, "CHANGELOG.md"), "utf8"),
    version,
    now,
  );
  const done: string[] = [];
  const write = (path: string, text: string) => {
    writeFileSync(join(root, path), text);
    done.push(`Wrote ${path}`);
  };

  write("CHANGELOG.md", changelog);
  for (const path of ["package.json", "package-lock.json"]) {
    const text = readFileSync(join(root, path), "utf8");
    // The first one, and in the lock file that of the package itself.
    const own = `"version": "${before}"`;
    const places = path === "package.json" ? 1 : 2;
    write(path, replaced(text, own, `"version": "${version}"`, places));
  }
  for (const { path, text } of versionFiles(root)) write(path, text);
  // Until 1.0.0 is out, the first sets are written once more, with the version; then they are closed.
  for (
    const { path, text } of generatedMigrations(root, !isAppended(before))
  ) write(path, text);
  if (isAppended(before)) {
    for (const line of LINES) {
      const path = pathOfUnreleased(root, line);
      const name = `v${version.replaceAll(".", "_")}`;
      const named = nextPath(root, line, name, now);
      renameSync(join(root, path), join(root, named));
      done.push(`Named ${named}`);
    }
  } else if (isAppended(version)) {
    write(nextPath(root, OF_GUESTS, "schema", now), guestMigration(root));
  }
  return done;
}

/** What is under Unreleased becomes what this version brought. */
function cutChangelog(text: string, version: string, now: Date): string {
  const head = "## [Unreleased]\n";
  const [before, after] = text.split(head);
  if (before === undefined || after === undefined) {
    throw new Error(`CHANGELOG.md lacks the line ${head}`);
  }
  if (after.split("\n## [", 1)[0]?.trim() === "") {
    throw new Error("CHANGELOG.md says nothing under Unreleased");
  }
  const day = now.toISOString().slice(0, 10);
  return `${before}${head}\n## [${version}] - ${day}\n${after}`;
}

function replaced(text: string, what: string, by: string, times: number) {
  for (let left = times; left > 0; left--) text = text.replace(what, by);
  return text;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [version = ""] = process.argv.slice(2);
  try {
    for (const line of release(checkoutDir, version, new Date())) {
      console.log(line);
    }
    console.log(`
Next: "npm run openapi", the gate (.ci/run), a commit, and the tag:
  git commit -am "chore: release ${version}" && git tag v${version}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
