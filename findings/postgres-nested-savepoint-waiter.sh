#!/usr/bin/env bash
# ROLLBACK TO SAVEPOINT gives a row back, but not to everybody. Was the row locked in a savepoint inside the one that is
# rolled back, and that inner savepoint released before (a PL/pgSQL function with an exception block, called in another
# exception block, does just that), then whoever was already waiting for the row goes on waiting until the whole transaction
# ends: a waiter whose subtransaction has been released turns to the topmost transaction, not to the parent. Who comes later
# takes the same row at once, past the one who waits. Without the inner savepoint the waiter has the row at the rollback.
# So a transaction that tries, gives up and then waits for something else can deadlock over a row that it no longer holds.
# Seen with PostgreSQL 17 from npm's embedded-postgres 17.10.0-beta.17 (Node 20 and later, Linux x64).
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
npm init -y >npm.log
npm install --no-audit --no-fund --loglevel=error embedded-postgres@17.10.0-beta.17 postgres@3.4.9 >>npm.log
cat >try.mjs <<'JS'
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";
import postgres from "postgres";

const free = createServer().listen(0, "127.0.0.1");
await new Promise((done) => free.once("listening", done));
const { port } = free.address();
await new Promise((done) => free.close(done));

const server = new EmbeddedPostgres({
  databaseDir: join(process.cwd(), "data"),
  port,
  user: "postgres",
  password: "postgres",
  persistent: false,
  createPostgresUser: process.getuid() === 0,
  postgresFlags: ["-c", "listen_addresses=127.0.0.1"],
  onLog: () => {},
});
await server.initialise();
await server.start();
const session = () =>
  postgres({ host: "127.0.0.1", port, user: "postgres", password: "postgres", database: "postgres", max: 1, onnotice: () => {} });
const [holder, waiter, late, watch] = [session(), session(), session(), session()];
await watch`create table jobs (id integer primary key)`;
await watch`insert into jobs values (1)`;
const [{ pid }] = await waiter`select pg_backend_pid() as pid`;

// Whether the waiter comes to be blocked (or, for "free", comes to be free) within five seconds.
async function becomes(blocked) {
  for (let look = 0; look < 500; look++) {
    const [row] = await watch`select cardinality(pg_blocking_pids(${pid})) > 0 as blocked`;
    if (row.blocked === blocked) return true;
    await delay(10);
  }
  return false;
}

async function tryWith(statements) {
  await holder`begin`;
  for (const statement of statements) await holder.unsafe(statement);
  const waited = waiter`select id from jobs for update`.execute();
  if (!await becomes(true)) throw new Error("it did not wait at all");
  await holder`rollback to savepoint look`;
  const waiterHasRow = await becomes(false);
  const lateHasRow = await late`select id from jobs for update nowait`.then(() => true, () => false);
  await holder`rollback`;
  await waited;
  return { waiterHasRow, lateHasRow };
}

const lock = "select id from jobs for update";
const seen = {
  "locked in the savepoint": await tryWith(["savepoint look", lock]),
  "locked in a released one inside it": await tryWith(["savepoint look", "savepoint deeper", lock, "release savepoint deeper"]),
};
const [{ version }] = await watch`select current_setting('server_version') as version`;
await Promise.all([holder, waiter, late, watch].map((sql) => sql.end()));
await server.stop();
console.log(version);
console.log(seen);
const [plain, nested] = Object.values(seen);
const isAsSeen = plain.waiterHasRow && plain.lateHasRow && !nested.waiterHasRow && nested.lateHasRow;
console.log(isAsSeen ? "as seen before" : "CHANGED");
process.exit(isAsSeen ? 0 : 1);
JS
node try.mjs
