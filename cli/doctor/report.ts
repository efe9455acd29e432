import type { Examination, Finding, Severity } from "../finding.ts";

const SEVERITIES: readonly Severity[] = ["error", "warning", "note"];

/** For people: the worst first, each with its remedy; at the end how many there are. */
export function asText({ findings, notLookedAt }: Examination): string {
  const sorted = SEVERITIES.flatMap((severity) =>
    findings.filter((finding) => finding.severity === severity)
  );
  return [
    ...sorted.flatMap(linesOf),
    ...notLookedAt.length === 0
      ? []
      : ["Not looked at:", ...notLookedAt.map((one) => indented(one))],
    summary(findings),
  ].join("\n");
}

/** What the process says: 1 when something keeps the queue from working. */
export function exitCode({ findings }: Examination): 0 | 1 {
  return findings.some(({ severity }) => severity === "error") ? 1 : 0;
}

function linesOf({ code, severity, what, remedy }: Finding): string[] {
  return [`${severity} (${code}): ${what}`, indented(remedy)];
}

function indented(text: string): string {
  return text.split("\n").map((line) => `  ${line}`).join("\n");
}

function summary(findings: readonly Finding[]): string {
  if (findings.length === 0) return "Nothing found.";
  const counts = SEVERITIES
    .map((severity) => ({
      severity,
      count: findings.filter((finding) => finding.severity === severity).length,
    }))
    .filter(({ count }) => count > 0)
    .map(({ severity, count }) =>
      `${count} ${severity}${count === 1 ? "" : "s"}`
    );
  return `${counts.join(", ")}.`;
}
