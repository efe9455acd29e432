/** What a step found out. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** One reason per check that was left out. */
  readonly skipped: readonly string[];
  /** What to show when something failed. */
  readonly report: string;
}

/** Everything is in order. */
export function passes(count = 1): Outcome {
  return { passed: count, failed: 0, skipped: [], report: "" };
}

/** At least one check failed; `report` says which and why. */
export function fails(report: string, count = 1): Outcome {
  return { passed: 0, failed: count, skipped: [], report };
}

/** Cannot be checked here; `reason` says why. */
export function skips(reason: string): Outcome {
  return { ...passes(0), skipped: [reason] };
}

/** Passes when there is nothing to complain about. */
export function passesWithout(complaints: readonly string[]): Outcome {
  return complaints.length === 0
    ? passes()
    : fails(complaints.join("\n"), complaints.length);
}

/** The sum of several outcomes. */
export function total(outcomes: readonly Outcome[]): Outcome {
  return {
    passed: outcomes.reduce((sum, outcome) => sum + outcome.passed, 0),
    failed: outcomes.reduce((sum, outcome) => sum + outcome.failed, 0),
    skipped: outcomes.flatMap((outcome) => outcome.skipped),
    report: outcomes.map((outcome) => outcome.report).filter(Boolean)
      .join("\n"),
  };
}
