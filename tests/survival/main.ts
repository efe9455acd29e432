import process from "node:process";
import { parseArgs } from "node:util";
import { ExplainedError } from "../../stack/setup/explained-error.mjs";
import { Chance } from "../support/chance.ts";
import type { Connection } from "../support/db.ts";
import { wholeNumbers } from "../support/whole-numbers.ts";
import { type Blow, strikeDown, type Victim, VICTIMS } from "./blows.ts";
import { drain, type DrainOptions, observe } from "./drain.ts";
import { NpmStart } from "./npm-start.ts";
import { kill, shuffledParts } from "./parts.ts";
import { rescuesOf } from "./rescues.ts";
import { wrongs } from "./verdict.ts";

// npm run survive -- [--soak] [rounds] [tasks] [seed]: a queue on `npm start` is
// drained, in each round anew. Its parts, the supervisor and all of it are killed
// in turn, and nobody may go unanswered for long; with --soak its parts alone, at
// random moments, also several at once. Ends with 1 when anything is wrong.

const { values: { soak }, positionals } = asked();
const [
  rounds = soak ? 3 : 1,
  tasks = soak ? 1000 : 600,
  firstSeed = 1 + Date.now() % 1_000_000,
] = wholeNumbers(["rounds", "tasks", "seed"], positionals);
/** In turn; with --soak a blow per part for so many. */
const TASKS_PER_BLOW = soak ? 150 : 30;
const SILENCE_LIMIT_MS = 5_000;

function asked() {
  const options = { soak: { type: "boolean", default: false } } as const;
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new ExplainedError((error as Error).message);
  }
}

let wrong = 0;
for (let round = 0; round < rounds; round++) {
  wrong += await survive(firstSeed + round);
}
console.log(`${rounds} rounds, ${wrong} things wrong`);
process.exitCode = wrong === 0 ? 0 : 1;

async function survive(seed: number): Promise<number> {
  const app = await NpmStart.fresh("survive");
  try {
    const started = Date.now();
    const blows: Blow[] = [];
    const ledger = await drain(app.target, {
      seed,
      tasks,
      ...(soak ? atRandom(app, seed) : inTurn(app, blows)),
    });
    const sql = observe(app.target);
    const found = await wrongs(sql, tasks, ledger);
    for (const { victim, silentMs, orphans } of blows) {
      if (silentMs > SILENCE_LIMIT_MS) {
        found.push(`${victim}: silent for too long`);
      }
      if (orphans.length > 0) {
        found.push(`${victim}: left ${orphans.join(", ")}`);
      }
    }
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    const { calls, failedCalls, deaths, refusals, told } = ledger;
    const workers = {
      ...{ calls, "without an answer": failedCalls, deaths, refusals },
      "ends acknowledged": told.length,
    };
    console.log(`seed ${seed}: ${tasks} tasks in ${seconds} s`);
    console.log(`  workers: ${describe(workers)}`);
    console.log(`  tasks: ${describe(await outcomes(sql))}`);
    const rescues = await rescuesOf(sql);
    const longest = rescues.at(-1)?.seconds.toFixed(0) ?? "-";
    console.log(`  rescues: ${rescues.length}, the longest after ${longest} s`);
    for (const item of found) console.log(`  WRONG: ${item}`);
    await sql.end({ timeout: 5 });
    return found.length;
  } finally {
    await app.discard();
  }
}

type Blows = Pick<DrainOptions<Victim>, "blows" | "strike">;

function inTurn(app: NpmStart, blows: Blow[]): Blows {
  const count = Math.ceil(tasks / TASKS_PER_BLOW);
  return {
    blows: Array.from(
      { length: count },
      (_, n) => VICTIMS[n % VICTIMS.length] ?? "everything",
    ),
    async strike(victim, chance, ledger) {
      const blow = await strikeDown(app, victim, chance, ledger);
      if (blow === undefined) return false;
      const silent = (blow.silentMs / 1000).toFixed(2);
      console.log(`${blows.push(blow)}. ${victim}: silent for ${silent} s`);
      return true;
    },
  };
}

function atRandom({ supervisor }: NpmStart, seed: number): Blows {
  const times = Math.ceil(tasks / TASKS_PER_BLOW);
  return {
    blows: shuffledParts(times, new Chance(seed)),
    strike(part, chance) {
      if (part === "supervisor" || part === "everything") return true;
      return kill(part, chance, supervisor) !== undefined;
    },
  };
}

/** How tasks ended, after how many starts, and what was taken back. */
async function outcomes(sql: Connection): Promise<Record<string, number>> {
  const rows = await sql<{ what: string; tasks: number }[]>`
    select format('%s after %s', status, attempts) as what,
      count(*)::integer as tasks
    from public.tasks
    group by 1
    union all
    select 'requeued', count(*)::integer
    from public.task_events
    where from_status = 'In Progress' and to_status = 'Queued'
    order by 1
  `;
  return Object.fromEntries(rows.map(({ what, tasks }) => [what, tasks]));
}

function describe(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([name, figure]) => `${name} ${figure}`).join(", ");
}
