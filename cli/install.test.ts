import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { apply, effective, type Plan } from "./changes.ts";
import { Impossible, planInit, planUninstall, planUpgrade } from "./install.ts";
import { packageOf } from "./example-package.ts";
import type { Package } from "./package.ts";
import { PLACES, readProject } from "./project.ts";

const NOW = new Date("2026-12-01T10:00:00Z");

let home: string;
let root: string;
let pack: Package;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "install-"));
  root = join(home, "app");
  mkdirSync(root);
  pack = packageOf(home, "1.0.0", ["0001"]);
});
afterEach(() => rmSync(home, { recursive: true }));

describe("init", () => {
  it("writes migration, function, config and worker", () => {
    init();
    expect(files()).toEqual([
      "fairlane-worker/.env.example",
      "fairlane-worker/worker.py",
      "supabase/config.toml",
      "supabase/functions/fairlane/deno.json",
      "supabase/functions/fairlane/deno.lock",
      "supabase/functions/fairlane/index.js",
      "supabase/migrations/20261201100000_fairlane_0001_part.sql",
    ]);
  });

  it("changes nothing of what is there, also not a worker that was edited", () => {
    init();
    write("fairlane-worker/worker.py", "mine");
    expect(effective(readProject(root), planned().changes)).toEqual([]);
  });

  it("adds what is asked for later, after the youngest migration", () => {
    init();
    write("supabase/migrations/20270101000000_of_the_app.sql", "");
    init(["jobs"]);
    init(["jobs", "bucket"]);
    expect(migrations().slice(-2)).toEqual([
      "20270101000001_fairlane_jobs.sql",
      "20270101000002_fairlane_bucket.sql",
    ]);
  });

  it("begins anew where the queue was removed", () => {
    init();
    carryOut(planUninstall(readProject(root), pack, NOW));
    init();
    expect(migrations()).toEqual([
      "20261201100000_fairlane_0001_part.sql",
      "20261201100001_fairlane_uninstall.sql",
      "20261201100002_fairlane_0001_part.sql",
    ]);
  });
});

describe("upgrade", () => {
  it("adds what is new and replaces the function", () => {
    init();
    pack = packageOf(home, "1.1.0", ["0001", "0002"]);
    carryOut(planUpgrade(readProject(root), pack, NOW));
    expect(migrations()).toEqual([
      "20261201100000_fairlane_0001_part.sql",
      "20261201100001_fairlane_0002_part.sql",
    ]);
    expect(readFileSync(join(root, PLACES.function, "index.js"), "utf8"))
      .toContain("Fairlane 1.1.0");
  });
});

describe("uninstall", () => {
  it("removes what init wrote, but for migrations and the worker", () => {
    init();
    carryOut(planUninstall(readProject(root), pack, NOW));
    expect(files()).toEqual([
      "fairlane-worker/.env.example",
      "fairlane-worker/worker.py",
      "supabase/config.toml",
      "supabase/migrations/20261201100000_fairlane_0001_part.sql",
      "supabase/migrations/20261201100001_fairlane_uninstall.sql",
    ]);
  });

  it("leaves files of others in the function's folder", () => {
    init();
    write(join(PLACES.function, "notes.md"), "mine");
    carryOut(planUninstall(readProject(root), pack, NOW));
    expect(files()).toContain("supabase/functions/fairlane/notes.md");
  });
});

it.each([planUpgrade, planUninstall])(
  "a project without the queue is refused: %o",
  (plan) => {
    expect(() => plan(readProject(root), pack, NOW)).toThrow(Impossible);
  },
);

function planned(extras: readonly ("jobs" | "bucket")[] = []): Plan {
  const worker = "python" as const;
  return planInit(readProject(root), pack, { extras, worker, now: NOW });
}

function init(extras: readonly ("jobs" | "bucket")[] = []): void {
  carryOut(planned(extras));
}

function carryOut({ changes }: Plan): void {
  apply(root, effective(readProject(root), changes));
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function migrations(): string[] {
  return readProject(root).migrations.map(({ file }) => file);
}

function files(): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted();
}
