import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setpriv } from "../../stack/account.ts";
import { runOrThrow } from "../../stack/run.ts";
import { prepareStateDirs } from "../../stack/state-dir.ts";

/**
 * Instructions that each statement costs its backend: Valgrind's callgrind counts
 * them in a single-user backend, one after another in one session, on a copy of
 * the stack's database. What else the machine does changes nothing about them.
 *
 * Nobody may write to the database while it is copied.
 */
export async function countInstructions(
  stateDir: string,
  statements: readonly string[],
): Promise<number[]> {
  const dirs = prepareStateDirs(stateDir);
  const programs = dirs.server.programs(dirs.state);
  const copy = join(dirs.postgres, "copy");
  const counts = join(dirs.postgres, "callgrind.out");
  const asPostgres = (words: string[], input?: string) => {
    const [program = "", ...args] = setpriv(words, dirs.postgresUser);
    return runOrThrow(words[0] ?? "", program, args, {
      cwd: dirs.postgres,
      ...(input === undefined ? {} : { input }),
    });
  };
  try {
    await asPostgres(["cp", "-a", join(dirs.postgres, "data"), copy]);
    rmSync(join(copy, "postmaster.pid"), { force: true });
    const output = await asPostgres(
      [
        ...["valgrind", "--tool=callgrind", `--callgrind-out-file=${counts}`],
        // The end of each statement is where what it took is written down.
        "--dump-before=EndCommand",
        ...[join(programs, "postgres"), "--single", "-D", copy],
        ...["-c", "shared_preload_libraries=", "-c", "autovacuum=off"],
        "postgres",
      ],
      `${statements.map((text) => text.replaceAll(/\s+/g, " ")).join("\n")}\n`,
    );
    // A statement that failed has no end that would be counted.
    const error = /(?:ERROR|FATAL): .*$/m.exec(output)?.[0];
    if (error !== undefined) throw new Error(error);
    return totals(dirs.postgres, statements.length);
  } finally {
    rmSync(copy, { recursive: true, force: true });
    for (const file of countFiles(dirs.postgres)) {
      rmSync(join(dirs.postgres, file));
    }
  }
}

function countFiles(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith("callgrind.out"));
}

/** The count of each statement: `callgrind.out.1` is that of the first. */
function totals(dir: string, statements: number): number[] {
  const found = countFiles(dir).filter((name) => /\.\d+$/.test(name)).length;
  if (found !== statements) {
    throw new Error(`${statements} statements were run, ${found} were counted`);
  }
  return Array.from({ length: statements }, (_, n) => {
    const text = readFileSync(join(dir, `callgrind.out.${n + 1}`), "utf8");
    return Number(/^(?:totals|summary): (\d+)/m.exec(text)?.[1]);
  });
}
