import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type FileRun, runFile } from "./run-file.ts";

/**
 * Runs files of pgTAP tests, and those of folders, where there is no pg_prove;
 * answers in the words of `pg_prove --verbose --merge`.
 */
export async function smallPgProve(
  root: string,
  url: string,
  paths: readonly string[],
): Promise<string> {
  let tap = "";
  let summary = "";
  for (const file of paths.flatMap((path) => sqlFiles(root, path))) {
    const run = await runFile(url, join(root, file));
    tap += `${file} ..\n${run.printed}${run.error ? `${run.error}\n` : ""}`;
    const complaint = complain(run);
    if (complaint) summary += `${file} (Wstat: 0)\n  ${complaint}\n`;
  }
  return summary ? `${tap}\nTest Summary Report\n${summary}` : tap;
}

/** Each folder's files in the order of their names. */
function sqlFiles(root: string, path: string): string[] {
  const full = join(root, path);
  if (!existsSync(full)) throw new Error(`There is no ${path}`);
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full).sort().flatMap((name) => {
    const inside = `${path}/${name}`;
    return statSync(join(root, inside)).isDirectory() || name.endsWith(".sql")
      ? sqlFiles(root, inside)
      : [];
  });
}

/** What is wrong with a file as a whole, even if each test is fine. */
function complain({ printed, error }: FileRun): string | undefined {
  if (error !== undefined) return "Non-zero exit status: 3";
  const plans = [...printed.matchAll(/^1\.\.(\d+)/gm)];
  const numbers = [...printed.matchAll(/^(?:not )?ok (\d+)/gm)]
    .map(([, number]) => Number(number));
  const [plan] = plans;
  if (plan === undefined || plans.length > 1) {
    return `Parse errors: ${plans.length} plans`;
  }
  const planned = Number(plan[1]);
  if (numbers.some((number, index) => number !== index + 1)) {
    return "Parse errors: Tests out of sequence";
  }
  return planned === numbers.length
    ? undefined
    : `Parse errors: Bad plan. You planned ${planned} tests but ran ${numbers.length}.`;
}
