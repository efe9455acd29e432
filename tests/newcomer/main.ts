import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { checkoutDir } from "../../stack/paths.ts";
import { runOrThrow } from "../../stack/run.ts";
import { readState } from "../../stack/state-file.ts";
import { memoryOf } from "./memory.ts";
import { Person, type Started } from "./person.ts";
import { blockWith, printedCommands, quickStart } from "./readme.ts";
import {
  ownerFor,
  POSTGRES_PROGRAMS,
  prefixFor,
  WHO,
  type Who,
} from "./who.ts";

// npm run test:quickstart -- [--as root|user|bare] [--with-test]: what the README tells
// a newcomer to do, done in a fresh clone of the last commit.

const { values } = parseArgs({
  options: {
    as: { type: "string", default: process.getuid?.() === 0 ? "root" : "user" },
    "with-test": { type: "boolean", default: false },
  },
});
if (!(values.as in WHO)) {
  throw new Error(`--as is one of ${Object.keys(WHO).join(", ")}`);
}
const who = values.as as Who;
console.log(`As ${WHO[who]}`);

const dir = mkdtempSync(join(tmpdir(), "newcomer "));
const clone = join(dir, "task queue");
const person = new Person(prefixFor(who), clone, dir);
let started: Started | undefined;
try {
  const begin = performance.now();
  await runOrThrow("git clone", "git", ["clone", "-q", checkoutDir, clone]);
  const owner = ownerFor(who);
  if (owner) await runOrThrow("chown", "chown", ["-R", owner, dir]);

  if (who === "bare") {
    const seen = await person.paste(POSTGRES_PROGRAMS);
    if (seen !== "") throw new Error(`Not hidden:\n${seen}`);
  }
  started = await person.start();
  say(readyLine(started.output));
  const blocks = quickStart(clone);
  const readme = blockWith(blocks, "claim-next-task");
  const curls = here(readme, started.output);
  const history = here(blockWith(blocks, "task_events"), started.output);
  const claimed = await person.paste(claimOf(curls));
  say(`clone to first claim, cold: ${secondsSince(begin)}`);
  expectWords(claimed, /^\{"task_id"/);

  const replies = await person.paste(printedCommands(started.output));
  expectWords(replies, /"status" *: *"Complete"/);
  const whole = await person.paste(curls);
  expectWords(whole, /"status" *: *"Complete"/);
  if (who === "bare") say("no psql on this machine: its command was left out");
  else {
    // The same shell, as a reader has it: the second block uses $id of the first.
    const lines = await person.paste(`${curls}\n${history}`);
    expectWords(lines, /In Progress *\| Complete/);
  }
  const supervisor = readState(join(clone, ".stack", "dev"))?.pid ?? 0;
  for (const { part, processes, megabytes } of memoryOf(supervisor)) {
    say(
      `memory of ${part}: ${megabytes.toFixed(0)} MB (${processes} processes)`,
    );
  }
  await started.stop();

  const secondBegin = performance.now();
  started = await person.start();
  say(readyLine(started.output));
  await person.paste(claimOf(here(readme, started.output)));
  say(`npm start to first claim, warm: ${secondsSince(secondBegin)}`);
  await started.stop();
  started = undefined;

  if (values["with-test"]) {
    const code = await person.watch(["npm", "test"]);
    if (code !== 0) throw new Error(`npm test ended with ${code}`);
  }
  say("all as the README says");
} catch (error) {
  say(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await started?.stop();
  rmSync(dir, { recursive: true, force: true });
}

function say(line: string): void {
  console.log(`${who}: ${line}`);
}

function secondsSince(begin: number): string {
  return `${((performance.now() - begin) / 1000).toFixed(1)} s`;
}

function readyLine(output: string): string {
  return /^Ready after .*$/m.exec(output)?.[0] ?? "it did not say how long";
}

/** Only what claims: the first of the two. */
function claimOf(curls: string): string {
  return curls.split(/^id=/m)[0] ?? "";
}

/** The README's commands, for the ports that this start has said it took. */
function here(commands: string, output: string): string {
  const port = (name: string) =>
    new RegExp(`^${name} .*127\\.0\\.0\\.1:(\\d+)`, "m").exec(output)?.[1] ??
      "";
  return commands.replaceAll("127.0.0.1:54321", `127.0.0.1:${port("API_URL")}`)
    .replaceAll("127.0.0.1:54322", `127.0.0.1:${port("DB_URL")}`);
}

function expectWords(output: string, words: RegExp): void {
  if (!words.test(output)) throw new Error(`No ${words} in:\n${output}`);
}
