import type postgres from "postgres";
import type { Run } from "../run.ts";
import { type Evidence, gatherEvidence } from "./evidence.ts";
import type { Peak } from "./history.ts";
import type { Finding } from "./report.ts";
import type { Totals } from "./totals.ts";

/** Compares what the demo heard with what the database holds. */
export async function checkPromises(
  sql: postgres.Sql,
  run: Run,
): Promise<Finding[]> {
  return judge(run, await gatherEvidence(sql, run.ledger));
}

/**
 * Both sides, promise by promise. Each needs both: the two agree, and what they
 * say is what was promised. A run without what could break a promise has not
 * tested it.
 */
export function judge(run: Run, evidence: Evidence): Finding[] {
  const stored = evidence.totals;
  return [
    eachTaskEnded(run, stored),
    oneGenerationEach(run, stored),
    limitsHeld(run, evidence.peaks),
    nothingEndedTwice(run, stored),
    attemptsHeld(run, stored),
    lostWorkWasDone(run, evidence),
    countersAreRight(run, stored),
  ];
}

function eachTaskEnded({ ledger }: Run, stored: Totals): Finding {
  const { enqueued, ended, complete, failed } = ledger;
  const cancelled = ended.size - complete - failed;
  const sum = stored.complete + stored.failed + stored.cancelled;
  return {
    promise: "in = Complete+Failed+Cancelled",
    heard: `${enqueued.size} = ${complete} + ${failed} + ${cancelled}`,
    stored:
      `${stored.tasks} = ${stored.complete} + ${stored.failed} + ${stored.cancelled}`,
    holds: stored.tasks === sum && stored.tasks === enqueued.size &&
      stored.complete === complete && stored.failed === failed,
    isTested: stored.tasks > 0,
  };
}

function oneGenerationEach({ ledger }: Run, stored: Totals): Finding {
  const { generations, owed, kept } = stored;
  return {
    promise: "one generation per result",
    heard: `${ledger.generations.size} generations`,
    stored: `${generations} for ${owed} results`,
    holds: kept === owed && generations === owed &&
      generations === ledger.generations.size,
    isTested: owed > 0,
  };
}

function limitsHeld({ ledger, people }: Run, peaks: readonly Peak[]): Finding {
  const peakOf = (userId: string) =>
    peaks.find((peak) => peak.userId === userId);
  const seen = people.map(({ userId, limit }) => ({
    limit,
    heard: ledger.mostSlots.get(userId) ?? 0,
    peak: peakOf(userId),
  }));
  const countOf = (is: (one: typeof seen[number]) => boolean) =>
    seen.filter(is).length;
  const reached = countOf(({ peak, limit }) => peak?.most === limit);
  const above = countOf(({ peak, limit }) => (peak?.most ?? 0) > limit);
  return {
    promise: "no user above the limit, ever",
    heard: `${countOf(({ heard, limit }) => heard === limit)} seen at it`,
    stored: `${reached} at it, ${above} above`,
    // The story looks now and then; the history knows every instant.
    holds: seen.every(({ heard, limit, peak }) =>
      peak !== undefined && peak.limit === limit && peak.most <= limit &&
      heard <= peak.most
    ),
    isTested: reached > 0,
  };
}

function nothingEndedTwice({ ledger }: Run, stored: Totals): Finding {
  const twice = [...ledger.completedBy.values()]
    .filter((starts) => starts.length > 1).length;
  return {
    promise: "no task finished twice",
    heard: `${twice} twice`,
    stored: `${stored.endedTwice} twice`,
    holds: twice === 0 && stored.endedTwice === 0,
    isTested: stored.tasks > 0,
  };
}

function attemptsHeld({ ledger }: Run, stored: Totals): Finding {
  const { mostAttempts, exhausted, overdrawn } = stored;
  return {
    promise: "no more starts than allowed",
    heard: `at most ${ledger.highestAttempt}`,
    stored: `at most ${mostAttempts}, ${overdrawn} above`,
    holds: overdrawn === 0 && mostAttempts === ledger.highestAttempt,
    isTested: exhausted > 0,
  };
}

function lostWorkWasDone(
  { ledger: { lostStart, completedBy } }: Run,
  { totals: { putBack }, lostSteps }: Evidence,
): Finding {
  const promise = "lost work is done by another";
  if (lostStart === undefined) {
    // Users' own machines were quicker than the cloud: a very short run.
    return {
      promise,
      heard: "nobody died",
      stored: `${putBack} put back`,
      holds: putBack === 0,
      isTested: false,
    };
  }
  const [finisher] = completedBy.get(lostStart.taskId) ?? [];
  // Not its first start: a rescue may have taken it from another before.
  const wasStarted = lostSteps.some(({ to, workerId, attempt }) =>
    to === "In Progress" && workerId === lostStart.workerId &&
    attempt === lostStart.attempt
  );
  const last = lostSteps.at(-1);
  return {
    promise,
    heard: `${lostStart.workerId}, then ${finisher?.workerId}`,
    stored: `${last?.workerId}, start ${last?.attempt}`,
    holds: wasStarted &&
      last?.to === "Complete" && last.workerId !== lostStart.workerId &&
      ownName(last.workerId) === finisher?.workerId &&
      last.attempt === finisher?.attempt && last.attempt > lostStart.attempt,
    isTested: true,
  };
}

/** What the machine calls itself: a user's own is stored with its token. */
function ownName(workerId: string | null): string | undefined {
  return workerId?.replace(/^token:[^:]*:/, "");
}

function countersAreRight({ ledger }: Run, stored: Totals): Finding {
  return {
    promise: "the counters are what is there",
    heard: `${ledger.leftOver} left in the count`,
    stored: `${stored.drift} rows of drift`,
    holds: ledger.leftOver === 0 && stored.drift === 0,
    isTested: stored.tasks > 0,
  };
}
