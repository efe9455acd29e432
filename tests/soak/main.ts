import process from "node:process";
import { drain, observe } from "./drain.ts";
import type { Ledger } from "./ledger.ts";
import { startOwnStack } from "./own-stack.ts";
import { kill, shuffledParts } from "./parts.ts";
import { rescuesOf } from "./rescues.ts";
import { wrongs } from "./verdict.ts";
import { Chance } from "../support/chance.ts";
import type { Connection } from "../support/db.ts";
import { wholeNumbers } from "../support/whole-numbers.ts";

// npm run soak -- [rounds] [tasks] [seed]: queues are drained while processes
// are killed, each in a stack of its own. Ends with 1 when anything is wrong.

const [rounds = 3, tasks = 1000, firstSeed = 1 + Date.now() % 1_000_000] =
  wholeNumbers(["rounds", "tasks", "seed"], process.argv.slice(2));
/** A blow per part for so many tasks. */
const TASKS_PER_BLOW = 150;

let wrong = 0;
for (let round = 0; round < rounds; round++) {
  wrong += await soak(firstSeed + round);
}
console.log(`${rounds} rounds, ${wrong} things wrong`);
process.exitCode = wrong === 0 ? 0 : 1;

async function soak(seed: number): Promise<number> {
  const target = await startOwnStack("soak");
  try {
    const started = Date.now();
    const struck: Record<string, number> = {};
    const times = Math.ceil(tasks / TASKS_PER_BLOW);
    const ledger = await drain(target, {
      seed,
      tasks,
      blows: shuffledParts(times, new Chance(seed)),
      strike(part, chance) {
        if (kill(part, chance) === undefined) return false;
        struck[part] = (struck[part] ?? 0) + 1;
        return true;
      },
    });
    const sql = observe(target);
    const found = await wrongs(sql, tasks, ledger);
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    console.log(`seed ${seed}: ${tasks} tasks in ${seconds} s`);
    console.log(`  killed: ${describe(struck)}`);
    console.log(`  workers: ${describe(figuresOf(ledger))}`);
    console.log(`  tasks: ${describe(await outcomes(sql))}`);
    const rescues = await rescuesOf(sql);
    const longest = rescues.at(-1)?.seconds.toFixed(0) ?? "-";
    console.log(`  rescues: ${rescues.length}, the longest after ${longest} s`);
    for (const item of found) console.log(`  WRONG: ${item}`);
    await sql.end({ timeout: 5 });
    return found.length;
  } finally {
    await target.discard();
  }
}

function figuresOf(ledger: Ledger): Record<string, number> {
  const { calls, failedCalls, deaths, refusals } = ledger;
  return { calls, "without an answer": failedCalls, deaths, refusals };
}

/** How tasks ended, after how many starts, and what was taken back. */
async function outcomes(sql: Connection): Promise<Record<string, number>> {
  const rows = await sql<{ what: string; tasks: number }[]>`
    select format('%s after %s', status, attempts) as what,
      count(*)::integer as tasks
    from public.tasks
    group by 1
    union all
    select 'put back', count(*)::integer
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
