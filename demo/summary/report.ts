import { cell, type Line, type Span, span } from "../screen/line.ts";

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
export function summaryLines(findings: readonly Finding[]): Line[] {
  return [
    [
      span(cell("   PROMISE", 36), "title"),
      span(`${cell("the demo heard", 23)}the database says`, "faint"),
    ],
    ...findings.map(findingLine),
    [verdict(findings)],
  ];
}

function verdict(findings: readonly Finding[]): Span {
  const broken = findings.filter(({ holds }) => !holds).length;
  const all = findings.length;
  if (broken > 0) return span(`${broken} of ${all} do not hold`, "bad");
  const untested = findings.filter(({ isTested }) => !isTested).length;
  return untested === 0
    ? span("Both agree, and every promise was kept", "good")
    : span(`Both agree; not put to the test: ${untested} of ${all}`, "warning");
}

function findingLine(finding: Finding): Line {
  const { promise, heard, stored, holds, isTested } = finding;
  // Nothing was found that could be shown as kept.
  const isOpen = holds && !isTested;
  return [
    isOpen ? span("-- ", "faint") : markOf(holds),
    span(`${cell(promise, 32)} `),
    span(`${cell(heard, 22)} `),
    span(cell(isOpen ? "not put to the test" : stored, 21)),
  ];
}

function markOf(holds: boolean): Span {
  return holds ? span("ok ", "good") : span("NO ", "bad");
}
