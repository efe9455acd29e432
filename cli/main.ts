import { join, resolve } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline/promises";
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { apply, type Change, effective, type Plan } from "./changes.ts";
import { UnreadableConfig } from "./config-block.ts";
import { examineDatabase } from "./doctor/database.ts";
import { examineFiles } from "./doctor/files.ts";
import { asText, exitCode } from "./doctor/report.ts";
import { examineService } from "./doctor/service.ts";
import { examineSupabaseCli } from "./doctor/supabase-cli.ts";
import { type Examination, together } from "./finding.ts";
import {
  Impossible,
  planInit,
  planUninstall,
  planUpgrade,
  wholeSql,
} from "./install.ts";
import { installedIn } from "./installed.ts";
import { asLines, limits } from "./limit.ts";
import { type Extra, type Language, Package } from "./package.ts";
import { type Project, readProject } from "./project.ts";
import { UNINSTALL_SQL } from "./uninstall.ts";

/** Exit codes, the same for every command. */
const EXIT = { done: 0, refused: 1, usage: 2 } as const;

interface Consent {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Runs one command line of `fairlane`; what it returns is the exit code. */
export async function main(
  argv: readonly string[],
  pack = new Package(join(import.meta.dirname, "..", "assets")),
): Promise<number> {
  let code: number = EXIT.done;
  const program = new Command("fairlane")
    .description("A task queue inside your Supabase project")
    .version(pack.version)
    .option("-C, --project <dir>", "the folder that holds supabase/", ".")
    .exitOverride()
    .showHelpAfterError();
  const project = () => readProject(resolve(program.opts()["project"]));

  asking(program.command("init"))
    .description("add the queue to a project")
    .addOption(
      new Option("--worker <language>", "write an example worker")
        .choices(["python", "typescript"]).default("python"),
    )
    .option("--no-worker", "write no example worker")
    .option("--jobs", "also schedule the jobs with pg_cron")
    .option("--bucket", "also make the bucket for results")
    .option("--db-url <url>", "look at this database first; it is only read")
    .action(async (options) => {
      const target = project();
      const found = together([
        examineFiles(target, pack.version),
        ...options.dbUrl
          ? [
            await examineDatabase(options.dbUrl, {
              version: pack.version,
              hasMigrations: installedIn(target).numbers.size > 0,
            }),
          ]
          : [],
      ]);
      if (exitCode(found) !== 0) return void (code = tell(found, options.json));
      const plan = planInit(target, pack, {
        extras: extrasOf(options),
        worker: (options.worker || undefined) as Language | undefined,
        now: new Date(),
      });
      code = await carryOut(target, plan, options);
    });

  for (
    const { name, description, plan } of [
      {
        name: "upgrade",
        description: "bring the queue to the version of this command",
        plan: planUpgrade,
      },
      {
        name: "uninstall",
        description: "remove the queue, with all tasks, results and history",
        plan: planUninstall,
      },
    ]
  ) {
    asking(program.command(name))
      .description(description)
      .action(async (options) => {
        const target = project();
        code = await carryOut(target, plan(target, pack, new Date()), options);
      });
  }

  program.command("doctor")
    .description("say what is wrong, and what to do about it")
    .option("--json", "for programs")
    .option("--db-url <url>", "also look at this database; it is only read")
    .option("--url <url>", "also ask this project: https://<ref>.supabase.co")
    .addOption(
      new Option("--key <key>", "its secret key").env("FAIRLANE_KEY"),
    )
    .action(async (options) => {
      if (options.url && !options.key) {
        throw new Impossible("--url needs a key: --key, or FAIRLANE_KEY");
      }
      const target = project();
      const found = together([
        examineFiles(target, pack.version),
        await examineSupabaseCli(target.root),
        options.dbUrl
          ? await examineDatabase(options.dbUrl, { version: pack.version })
          : unseen("The database: name it with --db-url"),
        options.url
          ? await examineService(options.url, options.key, pack.version)
          : unseen("The deployed function: name the project with --url"),
      ]);
      code = tell(found, options.json);
    });

  program.command("limit")
    .description("show, or set, how many tasks of an owner may run at once")
    .addArgument(
      new Argument("[tasks]", "a number; default: no limit of their own")
        .argParser(limitOf),
    )
    .requiredOption("--db-url <url>", "the database of the project")
    .addOption(
      new Option("--owner <uuid>", "of this one; without it of everybody else")
        .argParser(uuidOf),
    )
    .option("--json", "for programs")
    .action(async (limit: number | null | undefined, options) => {
      const { dbUrl, owner, json } = options;
      if (limit === null && owner === undefined) {
        throw new Impossible(
          "default is for one owner: name them with --owner",
        );
      }
      const found = await limits(dbUrl, { owner, limit });
      console.log(json ? JSON.stringify(found, null, 2) : asLines(found));
    });

  program.command("sql")
    .description("print the migrations as one file, for whoever uses no CLI")
    .option("--jobs", "also schedule the jobs with pg_cron")
    .option("--bucket", "also make the bucket for results")
    .option("--uninstall", "print what removes the queue instead")
    .action((options) => {
      process.stdout.write(
        options.uninstall ? UNINSTALL_SQL : wholeSql(pack, extrasOf(options)),
      );
    });

  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof Impossible || error instanceof UnreadableConfig) {
      console.error(error.message);
      return EXIT.refused;
    }
    // Commander has said it; --help and --version are no errors.
    if (isOfCommander(error)) return error.exitCode === 0 ? 0 : EXIT.usage;
    throw error;
  }
}

function asking(command: Command): Command {
  return command
    .option("-y, --yes", "do not ask")
    .option("--dry-run", "only say what would be done")
    .option("--json", "for programs; changes something only with --yes");
}

/** Shows what would be done, asks once, does it. */
async function carryOut(
  project: Project,
  { changes, next }: Plan,
  { yes, dryRun, json }: Consent,
): Promise<number> {
  const todo = effective(project, changes);
  const isDone = !dryRun && (yes || (!json && todo.length === 0));
  if (json) {
    if (isDone) apply(project.root, todo);
    const files = todo.map(({ path, effect, what }) => ({
      effect,
      path,
      what,
    }));
    console.log(
      JSON.stringify({ changes: files, done: isDone, next }, null, 2),
    );
    return EXIT.done;
  }
  if (todo.length === 0) {
    console.log("Nothing to do: everything is there.");
    return EXIT.done;
  }
  console.log(`In ${project.root}:`);
  for (const { effect, path, what } of todo) {
    console.log(`  ${effect.padEnd(6)}  ${path}  (${what})`);
  }
  if (dryRun) return EXIT.done;
  if (!yes && !await agrees()) {
    console.error("Nothing was changed.");
    return EXIT.refused;
  }
  apply(project.root, todo as readonly Change[]);
  console.log(["Done. Next:", ...next.map((it) => `  ${it}`)].join("\n"));
  return EXIT.done;
}

async function agrees(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    console.error("There is no terminal to ask on: say --yes.");
    return false;
  }
  const terminal = createInterface(process.stdin, process.stdout);
  try {
    return /^y(es)?$/i.test((await terminal.question("Do it? [y/N] ")).trim());
  } finally {
    terminal.close();
  }
}

function tell(found: Examination, json: boolean | undefined): number {
  console.log(json ? JSON.stringify(found, null, 2) : asText(found));
  return exitCode(found);
}

function unseen(what: string): Examination {
  return { findings: [], notLookedAt: [what] };
}

function extrasOf(options: { jobs?: boolean; bucket?: boolean }): Extra[] {
  return (["jobs", "bucket"] as const).filter((extra) => options[extra]);
}

function limitOf(text: string): number | null {
  if (text === "default") return null;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Say a number of tasks, or default.");
}

function uuidOf(text: string): string {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text;
  throw new InvalidArgumentError("Say the id of a user, a UUID.");
}

function isOfCommander(error: unknown): error is Error & { exitCode: number } {
  return error instanceof Error && "exitCode" in error &&
    String((error as { code?: unknown }).code).startsWith("commander.");
}
