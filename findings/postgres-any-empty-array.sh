#!/usr/bin/env bash
# `id = any (array)` with an array that is empty when the plan is made implies the predicate of every partial index, as an OR
# of nothing implies anything. So an index that has to do with none of the query's columns is offered for it, and with
# statistics of another day (few rows match its predicate) the planner reads all of it, with no condition, instead of asking
# the primary key. Both find nothing; one of them looks at every row. A prepared statement does it in its first five calls,
# PL/pgSQL with plan_cache_mode = force_custom_plan in all of them. A join with unnest(array) does not.
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
const sql = postgres({ host: "127.0.0.1", port, user: "postgres", password: "postgres", database: "postgres", max: 1, onnotice: () => {} });
await sql.unsafe(`
  create table jobs (id bigint primary key, state text not null, due_at timestamptz not null default now())
    with (autovacuum_enabled = off);
  create index jobs_waiting on jobs (due_at) where state = 'waiting';
  insert into jobs select n, 'ended' from generate_series(1, 500) as n;
  analyze jobs;
  truncate jobs;
  insert into jobs select n, 'waiting' from generate_series(1, 5000) as n;
`);
// What a scan looked at, and how it went there.
async function look(condition) {
  const [row] = await sql.unsafe(`explain (analyze, timing off, format json) select * from jobs as j ${condition}`);
  const nodes = (node) => [node, ...(node.Plans ?? []).flatMap(nodes)];
  const scan = nodes(row["QUERY PLAN"][0].Plan).find((node) => node["Relation Name"] === "jobs");
  return {
    index: scan["Index Name"],
    condition: scan["Index Cond"],
    rows: scan["Actual Loops"] * (scan["Actual Rows"] + (scan["Rows Removed by Filter"] ?? 0)),
  };
}
const seen = {
  "any ('{}')": await look("where j.id = any ('{}'::bigint[])"),
  "any ('{0}')": await look("where j.id = any ('{0}'::bigint[])"),
  "join unnest('{}')": await look("join unnest('{}'::bigint[]) as u (id) on u.id = j.id"),
};
const [{ version }] = await sql`select current_setting('server_version') as version`;
await sql.end();
await server.stop();
console.log(version);
console.log(seen);
const empty = seen["any ('{}')"];
const isAsSeen = empty.index === "jobs_waiting" && empty.condition === undefined && empty.rows === 5000 &&
  seen["any ('{0}')"].index === "jobs_pkey" && seen["any ('{0}')"].rows === 0 &&
  seen["join unnest('{}')"].rows === 0;
console.log(isAsSeen ? "as seen before" : "CHANGED");
process.exit(isAsSeen ? 0 : 1);
JS
node try.mjs
