import type { Command } from "./commands.ts";

/** Runs that once went wrong, by what went wrong. They are played first. */
export const counterExamples: Readonly<Record<string, readonly Command[]>> = {};
