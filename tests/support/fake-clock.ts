import { chmodSync, existsSync, writeFileSync } from "node:fs";
import process from "node:process";

const ARCHITECTURES: Record<string, string> = {
  arm64: "aarch64-linux-gnu",
  x64: "x86_64-linux-gnu",
};

const LIBRARY = `/usr/lib/${
  ARCHITECTURES[process.arch]
}/faketime/libfaketime.so.1`;

/** Why no process can be shown another time here; undefined where one can. */
export const noFakeClock: string | undefined = existsSync(LIBRARY)
  ? undefined
  : "Debian's package libfaketime is not installed";

/**
 * The clock of a process and its children, as libfaketime shows it. What
 * measures durations (monotonic clocks) is left as it is.
 */
export class FakeClock {
  readonly #file: string;
  #aheadSeconds = 0;

  /** `file`: where the processes read how far their clock is ahead. */
  constructor(file: string) {
    this.#file = file;
    this.step(0);
    // The server runs as another user.
    chmodSync(file, 0o644);
  }

  /** What a process needs in its environment to be shown this clock. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Moves it, for all that run at once. */
  step(seconds: number): void {
    this.#aheadSeconds += seconds;
    const sign = this.#aheadSeconds < 0 ? "-" : "+";
    writeFileSync(this.#file, `${sign}${Math.abs(this.#aheadSeconds)}s\n`);
  }
}
