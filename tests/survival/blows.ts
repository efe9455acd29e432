import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { commandLine, processStart } from "../../stack/process-info.ts";
import type { Ledger } from "./ledger.ts";
import { childrenOf, kill, type Part, PARTS } from "./parts.ts";
import type { Chance } from "../support/chance.ts";
import type { NpmStart } from "./npm-start.ts";

/** What is killed: a part, the process above them, or all at the same moment. */
export type Victim = Part | "supervisor" | "everything";

/** In this order, one after the other. */
export const VICTIMS: readonly Victim[] = [
  ...PARTS,
  "supervisor",
  "everything",
];

/** What one blow did. */
export interface Blow {
  readonly victim: Victim;
  /** Longest time without an answered claim. */
  readonly silentMs: number;
  /** Processes of before that are still there, though their supervisor is not. */
  readonly orphans: readonly string[];
}

/** A part that was killed has shown by now what that does. */
const EFFECT_MS = 1_000;
const ALIVE_AGAIN_MS = 200;
const PATIENCE_MS = 30_000;

/** Strikes at a stack that `npm start` has started, and starts it again. */
export async function strikeDown(
  app: NpmStart,
  victim: Victim,
  chance: Chance,
  ledger: Ledger,
): Promise<Blow | undefined> {
  const { supervisor } = app;
  const family = familyOf(supervisor);
  ledger.silence.look();
  if (victim === "supervisor" || victim === "everything") {
    await killAll(victim === "supervisor" ? family.slice(0, 1) : family);
    await app.start();
  } else if (kill(victim, chance, supervisor) === undefined) {
    return undefined;
  }
  await untilAnswered(ledger);
  const silentMs = ledger.silence.look();
  // Its parts may only outlive a supervisor that lives.
  const [above, ...parts] = family;
  const orphans = above && !isAlive(above) ? parts.filter(isAlive) : [];
  return { victim, silentMs, orphans: orphans.map(describe) };
}

/** Kills all that a supervisor runs, and itself. */
export async function killEverything(supervisor: number): Promise<void> {
  await killAll(familyOf(supervisor));
}

async function killAll(struck: readonly Process[]): Promise<void> {
  for (const one of struck) killHard(one);
  while (struck.some(isAlive)) await delay(1);
}

async function untilAnswered({ silence }: Ledger): Promise<void> {
  const began = performance.now();
  for (;; await delay(20)) {
    const waited = performance.now() - began;
    if (waited > EFFECT_MS && silence.lastsMs < ALIVE_AGAIN_MS) return;
    if (waited > PATIENCE_MS) return;
  }
}

/** A process, named for good: a pid alone is used again. */
interface Process {
  readonly pid: number;
  readonly start: string | undefined;
}

/** The supervisor first, then everything below it. */
function familyOf(supervisor: number): Process[] {
  return [supervisor, ...descendantsOf(supervisor)].map(identify);
}

function identify(pid: number): Process {
  return { pid, start: processStart(pid) };
}

function isAlive({ pid, start }: Process): boolean {
  return start !== undefined && processStart(pid) === start;
}

function describe({ pid }: Process): string {
  return `${pid} (${commandLine(pid)})`;
}

function killHard({ pid }: Process): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone by itself.
  }
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}
