import postgres from "postgres";
import { ZodError } from "zod";
import type { Examination, Finding } from "../finding.ts";

/** A transaction that can only read. */
export type Reader = postgres.TransactionSql;

/** One thing to look at in a database. */
export interface Look {
  /** What is looked at, for whoever is told that it was not. */
  readonly what: string;
  look(reader: Reader): Promise<readonly Finding[]>;
}

/** How long one statement may take: a look must not hold anything up. */
export const STATEMENT_TIMEOUT = "5s";

/** Looks at all of it. What this login may not read, or what takes too long, is left out and said. */
export async function lookAt(
  reader: Reader,
  looks: readonly Look[],
): Promise<Examination> {
  const findings: Finding[] = [];
  const notLookedAt: string[] = [];
  for (const { what, look } of looks) {
    try {
      // An error would end the whole transaction.
      findings.push(...await reader.savepoint(look));
    } catch (error) {
      notLookedAt.push(`${what}: ${reasonOf(error)}`);
    }
  }
  return { findings, notLookedAt };
}

function reasonOf(error: unknown): string {
  if (error instanceof ZodError) return "the reply is not understood";
  // Without a connection there is no next look.
  if (!(error instanceof postgres.PostgresError)) throw error;
  switch (error.code) {
    case "42501":
      return `this login may not (${error.message})`;
    case "57014":
      return `it took longer than ${STATEMENT_TIMEOUT}`;
    case "42883":
      return "the queue in the database is of another version, which cannot tell";
    default:
      return error.message;
  }
}
