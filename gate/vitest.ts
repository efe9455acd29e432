import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fails, type Outcome, total } from "./outcome.ts";
import type { CheckoutContext } from "./step.ts";
import { parseVitest } from "./vitest-result.ts";

/** Runs a vitest project, or some files of it, and counts the tests. */
export async function vitest(
  { root, run, workDir }: CheckoutContext,
  project: string,
  env: Readonly<Record<string, string>> = {},
  /** Parts of names of files; none = all. */
  files: readonly string[] = [],
): Promise<Outcome> {
  // Whom for, too: two may run side by side.
  const name = `vitest-${project}-${env["PROFILE"] ?? "fleet"}.json`;
  const file = join(workDir, name);
  rmSync(file, { force: true });
  const { output } = await run("vitest", [
    ...["run", "--project", project, ...files],
    // The first for people, the second to count.
    ...["--reporter=default", "--reporter=json", `--outputFile.json=${file}`],
  ], { env });
  if (!existsSync(file)) return fails(output);
  const outcome = parseVitest(JSON.parse(readFileSync(file, "utf8")));
  const isExplained = outcome.report !== "" || outcome.failed === 0;
  const explained = isExplained ? outcome : { ...outcome, report: output };
  const named = {
    ...explained,
    report: explained.report.replaceAll(`${root}/`, ""),
    skipped: explained.skipped.map((name) => name.replace(`${root}/`, "")),
  };
  return named.passed + named.failed + named.skipped.length > 0
    ? named
    : total([named, fails(`No test ran in project ${project}\n${output}`)]);
}
