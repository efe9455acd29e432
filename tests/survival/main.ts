import process from "node:process";
import { drain, observe } from "../soak/drain.ts";
import { wrongs } from "../soak/verdict.ts";
import { type Blow, strikeDown, VICTIMS } from "./blows.ts";
import { wholeNumbers } from "../support/whole-numbers.ts";
import { NpmStart } from "./npm-start.ts";

// npm run survive -- [rounds] [seed]: `npm start`, with workers that claim and
// complete, while its parts, itself and all of it are killed in turn. Ends with
// 1 when an acknowledged completion is missing, something stays behind, or
// claims go unanswered for longer than they may.

const [rounds = 20, seed = 1 + Date.now() % 1_000_000] = wholeNumbers(
  ["rounds", "seed"],
  process.argv.slice(2),
);
const TASKS_PER_ROUND = 30;
const SILENCE_LIMIT_MS = 5_000;

const app = await NpmStart.fresh("survive");
try {
  const tasks = rounds * TASKS_PER_ROUND;
  const blows: Blow[] = [];
  const ledger = await drain(app.target, {
    seed,
    tasks,
    blows: Array.from(
      { length: rounds },
      (_, n) => VICTIMS[n % VICTIMS.length],
    ),
    async strike(victim, chance, ledger) {
      if (victim === undefined) return true;
      const blow = await strikeDown(app, victim, chance, ledger);
      if (blow === undefined) return false;
      const silent = (blow.silentMs / 1000).toFixed(2);
      console.log(`${blows.push(blow)}. ${victim}: silent for ${silent} s`);
      return true;
    },
  });
  const sql = observe(app.target);
  const found = await wrongs(sql, tasks, ledger);
  await sql.end({ timeout: 5 });
  for (const { victim, silentMs, orphans } of blows) {
    if (silentMs > SILENCE_LIMIT_MS) {
      found.push(`${victim}: silent for too long`);
    }
    if (orphans.length > 0) found.push(`${victim}: left ${orphans.join(", ")}`);
  }
  for (const item of found) console.log(`WRONG: ${item}`);
  const longest = Math.max(...blows.map((blow) => blow.silentMs));
  console.log(
    `seed ${seed}: ${blows.length} blows, ${ledger.told.length} ends ` +
      `acknowledged, longest silence ${(longest / 1000).toFixed(2)} s, ` +
      `${found.length} things wrong`,
  );
  process.exitCode = found.length === 0 ? 0 : 1;
} finally {
  await app.discard();
}
