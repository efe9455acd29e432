import { cell, type Line, span } from "../screen/line.ts";

/** One promise of the queue, as either side saw it kept or not. */
export interface Finding {
  readonly promise: string;
  /** What the demo counted from the replies that it got. */
  readonly heard: string;
  /** What the database says. */
  readonly stored: string;
  readonly holds: boolean;
}

/** The summary as lines: a promise each, and a last one with the verdict. */
export function summaryLines(findings: readonly Finding[]): Line[] {
  const broken = findings.filter(({ holds }) => !holds).length;
  const verdict = broken === 0
    ? span("Both agree, and every promise was kept", "good")
    : span(`${broken} of ${findings.length} do not hold`, "bad");
  return [
    [
      span(cell("   PROMISE", 36), "title"),
      span(`${cell("the demo heard", 23)}the database says`, "faint"),
    ],
    ...findings.map(findingLine),
    [verdict],
  ];
}

function findingLine({ promise, heard, stored, holds }: Finding): Line {
  return [
    holds ? span("ok ", "good") : span("NO ", "bad"),
    span(`${cell(promise, 32)} `),
    span(`${cell(heard, 22)} `),
    span(cell(stored, 21)),
  ];
}
