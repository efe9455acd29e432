import {
  denoCacheDir,
  denoProgram,
  hostedDenoCacheDir,
  hostedDenoProgram,
} from "./paths.ts";

/** 2.9 is today's; 2.1 is what the hosted runtime is built on. */
export type DenoVersion = "2.9" | "2.1";

/** A Deno that runs functions. */
export interface DenoRuntime {
  readonly program: string;
  /** Holds what functions import. */
  readonly cacheDir: string;
  /** Whether it can read deno.lock, whose form is newer than 2.1. */
  readonly readsLock: boolean;
}

/** The runtime of a version. */
export function denoRuntime(version: DenoVersion): DenoRuntime {
  return version === "2.1"
    ? {
      program: hostedDenoProgram(),
      cacheDir: hostedDenoCacheDir,
      readsLock: false,
    }
    : { program: denoProgram(), cacheDir: denoCacheDir, readsLock: true };
}
