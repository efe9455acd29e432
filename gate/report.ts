import type { Outcome } from "./outcome.ts";

const NAME_WIDTH = 26;
const MAX_LINES = 120;
const MAX_LINE_LENGTH = 400;
/** Nothing but the last line may look like the last line. */
const LOOKS_LIKE_SUMMARY = /\d+ passed, \d+ failed/;

/** One line per step: mark, name, count and seconds. */
export function stepLine(
  name: string,
  outcome: Outcome,
  milliseconds: number,
): string {
  const count = outcome.passed + outcome.failed;
  const words = [
    outcome.failed > 0 ? "✗" : outcome.passed > 0 ? "✓" : "-",
    name.padEnd(NAME_WIDTH),
    String(count).padStart(5),
    `${(milliseconds / 1000).toFixed(1)} s`.padStart(9),
  ];
  if (outcome.failed > 0 && count > 1) words.push(` ${outcome.failed} failed`);
  return words.join(" ");
}

/** What was left out, tests of one file together. */
export function skippedLines(skipped: readonly string[]): string[] {
  const files = new Map<string, string[]>();
  for (const reason of skipped) {
    const [file = reason] = reason.split(": ");
    files.set(file, [...files.get(file) ?? [], reason]);
  }
  return [...files].map(([file, [first = "", ...more]]) =>
    more.length === 0
      ? `skipped: ${first}`
      : `skipped: ${first}, and ${more.length} more in ${file}`
  );
}

/** The part of a report worth reading, indented; long ones lose their middle. */
export function excerpt(report: string): string {
  const lines = report.split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => !LOOKS_LIKE_SUMMARY.test(line));
  while (lines.at(-1) === "") lines.pop();
  return withoutMiddle(lines).map((line) => `    │ ${cut(line)}`).join("\n");
}

function withoutMiddle(lines: readonly string[]): readonly string[] {
  if (lines.length <= MAX_LINES) return lines;
  const half = Math.floor(MAX_LINES / 2);
  const left = lines.length - 2 * half;
  return [
    ...lines.slice(0, half),
    `… ${left} lines left out …`,
    ...lines.slice(-half),
  ];
}

function cut(line: string): string {
  return line.length <= MAX_LINE_LENGTH
    ? line
    : `${line.slice(0, MAX_LINE_LENGTH)}…`;
}

/** The last line of every run. */
export function summaryLine(outcome: Outcome): string {
  const words = [`${outcome.passed} passed`, `${outcome.failed} failed`];
  if (outcome.skipped.length > 0) {
    words.push(`${outcome.skipped.length} skipped`);
  }
  return words.join(", ");
}

/** A run without a single check is no proof of anything. */
export function exitCode(outcome: Outcome): 0 | 1 {
  return outcome.failed === 0 && outcome.passed > 0 ? 0 : 1;
}
