import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkoutDir } from "../stack/paths.ts";

const TOTAL = /^\d+ passed, \d+ failed$/;

/** How a run of one of the two scripts ends. */
interface Run {
  readonly says: string;
  readonly code: number;
}

let bin: string;

beforeEach(() => {
  bin = mkdtempSync(join(tmpdir(), "ci-run-"));
});

afterEach(() => rmSync(bin, { recursive: true, force: true }));

/** What `.ci/run` prints, line by line, and its exit code. */
function ciRun(
  runs: { readonly test: Run; readonly all: Run },
): { readonly lines: string[]; readonly code: number | null } {
  const npm = join(bin, "npm");
  writeFileSync(
    npm,
    `#!/bin/sh
case "$2" in
  test) echo "✓ fmt"; echo "${runs.test.says}"; exit ${runs.test.code};;
  test:all) echo "✓ database-as-hosted"; echo "${runs.all.says}"; exit ${runs.all.code};;
esac
exit 99
`,
  );
  chmodSync(npm, 0o755);
  const { stdout, status } = spawnSync(join(checkoutDir, ".ci", "run"), {
    env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` },
    encoding: "utf8",
  });
  return { lines: stdout.trim().split("\n"), code: status };
}

describe(".ci/run", () => {
  it("is a bash script without faults of syntax", () => {
    execFileSync("bash", ["-n", join(checkoutDir, ".ci", "run")]);
  });

  it("ends with one total, the sum of both", () => {
    const { lines, code } = ciRun({
      test: { says: "9 passed, 0 failed", code: 0 },
      all: { says: "4 passed, 0 failed, 2 skipped", code: 0 },
    });
    expect(code).toBe(0);
    expect(lines.at(-1)).toBe("13 passed, 0 failed");
    expect(lines.filter((line) => TOTAL.test(line))).toHaveLength(1);
    expect(lines).toContain("npm run test:all: passed 4, failed 0, 2 skipped");
  });

  it("runs the second in full when the first is red, and is red", () => {
    const { lines, code } = ciRun({
      test: { says: "8 passed, 1 failed", code: 1 },
      all: { says: "4 passed, 0 failed", code: 0 },
    });
    expect(code).not.toBe(0);
    expect(lines.at(-1)).toBe("12 passed, 1 failed");
  });

  it("counts a run that broke off as a failure", () => {
    const { lines, code } = ciRun({
      test: { says: "4 passed, 0 failed", code: 0 },
      all: { says: "out of memory", code: 137 },
    });
    expect(code).not.toBe(0);
    expect(lines.at(-1)).toBe("4 passed, 1 failed");
  });
});
