import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A migration that the package carries. */
export interface PackagedMigration {
  /** `0001`, in the order in which they were released. */
  readonly number: string;
  /** A word or two, for the file's name. */
  readonly name: string;
  /** What its push does to running work, in one sentence. */
  readonly effect: string;
}

/** What `assets/manifest.json` says of the package; gate/package/build.ts writes it. */
export interface Manifest {
  readonly version: string;
  readonly migrations: readonly PackagedMigration[];
}

/** What the queue sets up outside its schemas, each only if asked for. */
export type Extra = "jobs" | "bucket";

/** What is in the package, to be put into a project. */
export class Package {
  readonly #assets: string;
  readonly #manifest: Manifest;

  /** Reads it from the folder `assets` of the package. */
  constructor(assets: string) {
    this.#assets = assets;
    this.#manifest = JSON.parse(this.#text("manifest.json"));
  }

  get version(): string {
    return this.#manifest.version;
  }

  get migrations(): readonly PackagedMigration[] {
    return this.#manifest.migrations;
  }

  /** The SQL of a migration. */
  migration({ number }: PackagedMigration): string {
    return this.#text("migrations", `${number}.sql`);
  }

  extra(extra: Extra): string {
    return this.#text("migrations", `${extra}.sql`);
  }

  /** The files of the function, by their names. */
  get functionFiles(): readonly { readonly name: string; text: string }[] {
    return ["index.js", "deno.json", "deno.lock"].map((name) => ({
      name,
      text: this.#text("function", name),
    }));
  }

  /** The example worker, by the name that it gets in the project. */
  worker(language: Language): { readonly name: string; text: string } {
    const name = `worker.${language === "python" ? "py" : "ts"}`;
    return { name, text: this.#text("worker", name) };
  }

  /** What the worker reads from its environment. */
  get environment(): string {
    return this.#text("worker", "env.example");
  }

  #text(...path: string[]): string {
    return readFileSync(join(this.#assets, ...path), "utf8");
  }
}

/** In which an example worker can be had. */
export type Language = "python" | "typescript";
