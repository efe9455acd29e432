#!/usr/bin/env bash
# ANALYZE of a table whose rows have all been deleted, before a VACUUM has cut its pages off, makes the planner believe in no
# rows for ever after: it multiplies the rows per page of then (none) by the pages of now, however many those become. The
# same ANALYZE of a table that was truncated, or was never filled, does no harm: with no pages on record the planner goes
# by the width of a row and the size of the file. A queue that was drained by DELETE is in the first state until the next
# ANALYZE, and joins of it are planned as loops over "one" row.
# Seen with PostgreSQL 17 from npm's embedded-postgres 17.10.0-beta.17 (Node 20 and later, Linux x64): 1 row estimated of
# 50,000 after delete and analyze, tens of thousands after truncate and analyze.
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
const sql = postgres({ host: "127.0.0.1", port, user: "postgres", password: "postgres", database: "postgres", onnotice: () => {} });

const fill = "select n, 'a value' from generate_series(1, 50000) as n";
const seen = {};
for (const [name, empty] of Object.entries({ delete: "delete from jobs", truncate: "truncate jobs" })) {
  await sql.unsafe("drop table if exists jobs");
  await sql.unsafe("create table jobs (id integer, payload text) with (autovacuum_enabled = off)");
  await sql.unsafe(`insert into jobs ${fill}`);
  await sql.unsafe(empty);
  await sql.unsafe("analyze jobs");
  await sql.unsafe(`insert into jobs ${fill}`);
  const [{ "QUERY PLAN": [{ Plan }] }] = await sql.unsafe("explain (format json) select from jobs");
  seen[`rows estimated after ${name} and analyze`] = Plan["Plan Rows"];
}
const [{ version }] = await sql`select current_setting('server_version') as version`;
await sql.end();
await server.stop();
console.log(version);
console.log(seen);
const [afterDelete, afterTruncate] = Object.values(seen);
const isAsSeen = afterDelete === 1 && afterTruncate > 10_000;
console.log(isAsSeen ? "as seen before" : "CHANGED");
process.exit(isAsSeen ? 0 : 1);
JS
node try.mjs
