/** How bad it is: an error stops the queue or the installation, a warning will hurt, a note is worth knowing. */
export type Severity = "error" | "warning" | "note";

/** One thing that somebody should know, and what to do about it. */
export interface Finding {
  /** Stable, for scripts: `schema-taken`. */
  readonly code: string;
  readonly severity: Severity;
  /** What is so, with its name. */
  readonly what: string;
  /** What to do; a command where there is one. */
  readonly remedy: string;
}

/** What an examination found, and what it could not look at. */
export interface Examination {
  readonly findings: readonly Finding[];
  /** One sentence each: what was not looked at, and why. */
  readonly notLookedAt: readonly string[];
}

/** Several as one. */
export function together(examinations: readonly Examination[]): Examination {
  return {
    findings: examinations.flatMap(({ findings }) => findings),
    notLookedAt: examinations.flatMap(({ notLookedAt }) => notLookedAt),
  };
}
