import { execFileSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { checkoutDir } from "../../stack/paths.ts";
import {
  type PostgresServer,
  serversHere,
} from "../../stack/postgres-server.ts";
import { describeCatalog } from "../equality/catalog.ts";
import { differences } from "../equality/differences.ts";
import { findPlanted } from "../equality/find-planted.ts";
import { PLANTED } from "../equality/planted.ts";
import type { ThrowAwayDatabase } from "../equality/throw-away-database.ts";
import { type Beginning, BEGINNINGS, migratedBy } from "./databases.ts";
import { RENAMES } from "./renames.ts";
import { PLANTED_ROWS, rowsOf } from "./rows.ts";

// npm run prove -- <commit>: the migrations of this checkout make the same database as those of that commit, whatever there
// was before. Goes with 1.0; from then on migrations are only added.

const [commit] = process.argv.slice(2);
if (commit === undefined) {
  console.error(
    "npm run prove -- <commit whose migrations are to be equalled>",
  );
  process.exit(2);
}
const git = (...args: string[]) =>
  execFileSync("git", args, { cwd: checkoutDir, maxBuffer: 1 << 28 });
const hash = git("rev-parse", `${commit}^{commit}`).toString().trim();
const workDir = join(checkoutDir, ".stack", "proof");
const before = mkdtempSync(join(tmpdir(), "migrations-before-"));
const SIDES = { left: "before", right: "now" };
let found = 0;

try {
  const archive = git(
    "archive",
    hash,
    "supabase/migrations",
    "supabase/config.toml",
  );
  execFileSync("tar", ["-x", "-C", before], { input: archive });
  renameAll(join(before, "supabase", "migrations"));
  console.log(`Against ${hash}`);
  for (const server of serversHere().servers) {
    for (const [n, beginning] of BEGINNINGS.entries()) {
      found += await prove(server, beginning, n === BEGINNINGS.length - 1);
    }
  }
} finally {
  rmSync(before, { recursive: true, force: true });
}
console.log(found === 0 ? "Equal" : `Not equal: ${found}`);
process.exitCode = found === 0 ? 0 : 1;

/** The August 2025 schema keeps its names: deployed databases have them. */
function renameAll(dir: string): void {
  for (const name of readdirSync(dir).filter((one) => one >= "2026")) {
    const sql = readFileSync(join(dir, name), "utf8");
    const renamed = RENAMES.reduce((text, [a, b]) => text.replace(a, b), sql);
    writeFileSync(join(dir, name), renamed);
  }
}

/** How many differences there are, which are told. */
async function prove(
  server: PostgresServer,
  beginning: Beginning,
  isLast: boolean,
): Promise<number> {
  const since = new Date();
  const made = (checkout: string, name: string) =>
    migratedBy(checkout, beginning, { workDir, name, server });
  const sides: ThrowAwayDatabase[] = [];
  try {
    sides.push(await made(before, "before"), await made(checkoutDir, "now"));
    const [a = "", b = ""] = sides.map(({ url }) => url);
    const everythingOf = async (url: string) => [
      ...await describeCatalog(url),
      ...await rowsOf(url, since),
    ];
    const now = await everythingOf(b);
    const all = differences(await everythingOf(a), now, SIDES);
    const isOrder = (one: string) => /^Different: columns of /.test(one);
    const told = all.filter((one) => !isOrder(one));
    const name = `Postgres ${server.major}, ${beginning.name}`;
    console.log(
      `${name}: ${now.length} facts and rows, ` +
        `${told.length} differences, ${
          all.filter(isOrder).length
        } tables whose columns stand in another order`,
    );
    for (const one of told) console.log(one.replace(/^/gm, "  "));
    if (!isLast) return told.length;
    const planted = [...PLANTED, ...PLANTED_ROWS];
    const { passed, report } = await findPlanted(
      planted,
      [a, b],
      everythingOf,
    );
    console.log(
      `${name}: ${passed} of ${planted.length} planted differences seen`,
    );
    if (report) console.log(report);
    return told.length + planted.length - passed;
  } finally {
    for (const side of sides) await side.discard();
  }
}
