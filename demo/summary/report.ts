/** One promise of the queue, as either side saw it kept or not. */
export interface Finding {
  readonly promise: string;
  /** What the demo counted from the replies that it got. */
  readonly heard: string;
  /** What the database says. */
  readonly stored: string;
  readonly holds: boolean;
  /** Whether the run had what could have broken it. */
  readonly isTested: boolean;
}

/** The summary as lines: a promise each, and a last one with the verdict. */
export function summaryLines(findings: readonly Finding[]): string[] {
  return [
    row("  ", "PROMISE", "the demo heard", "the database says"),
    ...findings.map(({ promise, heard, stored, holds, isTested }) => {
      if (!holds) return row("NO", promise, heard, stored);
      // Nothing was found that could be shown as kept.
      return isTested
        ? row("ok", promise, heard, stored)
        : row("--", promise, heard, "not put to the test");
    }),
    verdict(findings),
  ];
}

function row(mark: string, promise: string, heard: string, stored: string) {
  return `${mark} ${promise.padEnd(32)} ${heard.padEnd(22)} ${stored}`;
}

function verdict(findings: readonly Finding[]): string {
  const broken = findings.filter(({ holds }) => !holds).length;
  const all = findings.length;
  if (broken > 0) return `${broken} of ${all} do not hold`;
  const untested = findings.filter(({ isTested }) => !isTested).length;
  return untested === 0
    ? "Both agree, and every promise was kept"
    : `Both agree; not put to the test: ${untested} of ${all}`;
}
