import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type Project, textOf } from "./project.ts";

/** A file that is to be as `text` says; without it, one that is to go. */
export interface Change {
  /** Relative to the project. */
  readonly path: string;
  readonly text?: string;
  /** What it is, for whoever is asked. */
  readonly what: string;
}

/** What a command would do. */
export interface Plan {
  readonly changes: readonly Change[];
  /** What is left to a person, in order. */
  readonly next: readonly string[];
}

/** How a change looks to the project: nothing is done twice. */
export type Effect = "create" | "change" | "remove";

/** The changes that make a difference. */
export function effective(
  { root }: Project,
  changes: readonly Change[],
): readonly (Change & { readonly effect: Effect })[] {
  return changes.flatMap((change) => {
    const before = textOf(root, change.path);
    if (before === change.text) return [];
    const effect = before === undefined
      ? "create"
      : change.text === undefined
      ? "remove"
      : "change";
    return [{ ...change, effect }];
  });
}

/** Carries them out. Folders that a removal leaves empty go, too. */
export function apply(root: string, changes: readonly Change[]): void {
  for (const { path, text } of changes) {
    const whole = join(root, path);
    if (text === undefined) {
      rmSync(whole, { force: true });
      const dir = dirname(whole);
      if (existsSync(dir) && readdirSync(dir).length === 0) rmdirSync(dir);
    } else {
      mkdirSync(dirname(whole), { recursive: true });
      writeFileSync(whole, text);
    }
  }
}
