import { type Runtime, webRuntime } from "../../shared/client/runtime.ts";

/**
 * A machine's power. Once it is pulled nothing on the machine happens any more:
 * no request leaves, no reply arrives, no timer ends. Whoever waits for it waits
 * for ever, as for a machine that is gone.
 */
export class Plug {
  #isPulled = false;
  readonly runtime: Runtime;

  constructor(power: Runtime = webRuntime) {
    this.runtime = {
      ...power,
      fetch: (url, init) => this.#whilePowered(() => power.fetch(url, init)),
      wait: (ms, until) => this.#whilePowered(() => power.wait(ms, until)),
    };
  }

  get isPulled(): boolean {
    return this.#isPulled;
  }

  pull(): void {
    this.#isPulled = true;
  }

  async #whilePowered<T>(act: () => Promise<T>): Promise<T> {
    if (this.#isPulled) return await forever();
    try {
      const result = await act();
      return this.#isPulled ? await forever() : result;
    } catch (error) {
      if (this.#isPulled) return await forever();
      throw error;
    }
  }
}

function forever(): Promise<never> {
  return new Promise(() => {});
}
