import type { Outcome } from "./outcome.ts";

const FILE_LINE = /^(\S.*\.sql) \.+\s*$/;
const TEST_LINE = /^(not )?ok \d+(?: -)? ?(.*?)(?: ?# (SKIP|TODO)\b ?(.*))?$/i;
const BROKEN_FILE = /^ {2}(Non-zero|Parse errors|No plan|Bad plan)/;
const SUMMARY_FILE_LINE = /^(\S.*\.sql)\s+\(Wstat:/;
const SUMMARY_TITLE = "Test Summary Report";

interface FileResult {
  readonly lines: string[];
  passed: number;
  failed: number;
  broken: boolean;
}

/** Reads what `pg_prove --verbose --merge` printed. */
export function parseTap(output: string): Outcome {
  const [tap = "", summary = ""] = output.split(SUMMARY_TITLE, 2);
  const skipped: string[] = [];
  const files = readFiles(tap, skipped);
  markBroken(files, summary);

  const results = [...files.values()];
  return {
    passed: results.reduce((sum, file) => sum + file.passed, 0),
    failed: results.reduce((sum, file) => sum + failures(file), 0),
    skipped,
    report: [...files].filter(([, file]) => failures(file) > 0)
      .map(([name, file]) => [name, ...file.lines].join("\n")).join("\n"),
  };
}

/** A file that died or broke its plan fails even if each line said ok. */
function failures(file: FileResult): number {
  return Math.max(file.failed, file.broken ? 1 : 0);
}

function readFiles(tap: string, skipped: string[]): Map<string, FileResult> {
  const files = new Map<string, FileResult>();
  let name = "";
  let current: FileResult | undefined;
  for (const line of tap.split("\n")) {
    const file = FILE_LINE.exec(line)?.[1];
    if (file !== undefined) {
      name = file;
      current = { lines: [], passed: 0, failed: 0, broken: false };
      files.set(name, current);
    } else if (current !== undefined) {
      const skip = readLine(line, current);
      if (skip !== undefined) skipped.push(`${name}: ${skip}`);
    }
  }
  return files;
}

/** Counts one line; answers the reason when it is a skip. */
function readLine(line: string, file: FileResult): string | undefined {
  const test = TEST_LINE.exec(line);
  if (test === null) {
    if (line.trim()) file.lines.push(line);
    return undefined;
  }
  const [, not, , directive = "", reason] = test;
  if (directive.toUpperCase() === "SKIP" || (directive && not)) {
    return `${directive.toLowerCase()} ${reason}`.trim();
  }
  if (not) {
    file.failed += 1;
    file.lines.push(line);
  } else {
    file.passed += 1;
  }
  return undefined;
}

function markBroken(files: Map<string, FileResult>, summary: string): void {
  let current: FileResult | undefined;
  for (const line of summary.split("\n")) {
    const name = SUMMARY_FILE_LINE.exec(line)?.[1];
    if (name !== undefined) current = files.get(name);
    if (current === undefined || !BROKEN_FILE.test(line)) continue;
    current.broken = true;
    current.lines.push(line.trim());
  }
}
