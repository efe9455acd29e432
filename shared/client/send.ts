import { z } from "zod";
import { isErrorCode } from "../error-codes.ts";
import { isJsonObject } from "../fields.ts";
import { NoResponseError, QueueError } from "./errors.ts";
import { isMomentary, pauseAfter, type RetryRule } from "./retry.ts";
import type { Runtime } from "./runtime.ts";

/** A POST whose repetition is safe. */
export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A complete answer. */
export interface Answer {
  /** Byte for byte; "" for 204. */
  readonly text: string;
  readonly json: unknown;
}

/** Another try may succeed. */
interface Again {
  readonly cause: unknown;
  readonly retryAfterMs: number;
}

/**
 * Sends until there is an answer: repeats the same bytes after no answer, half
 * a body or a transient failure.
 *
 * @throws {QueueError} the queue refused
 * @throws {NoResponseError} the time limit of the rule is over
 */
export async function send(
  runtime: Runtime,
  post: Post,
  rule: RetryRule,
  signal?: AbortSignal,
): Promise<Answer> {
  const began = runtime.now();
  for (let tries = 1;; tries++) {
    signal?.throwIfAborted();
    const outcome = await attempt(runtime, post, rule.timeoutMs, signal);
    if ("text" in outcome) return outcome;
    signal?.throwIfAborted();
    const pause = pauseAfter(tries, runtime.random, outcome.retryAfterMs);
    if (runtime.now() - began + pause > rule.patienceMs) {
      throw new NoResponseError(post.url, tries, outcome.cause);
    }
    await runtime.wait(pause, signal);
  }
}

async function attempt(
  runtime: Runtime,
  { url, headers, body }: Post,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Answer | Again> {
  // Not AbortSignal.any: some versions of Node 20 lose what it combines.
  const cut = new AbortController();
  const end = () => cut.abort(signal?.reason);
  signal?.addEventListener("abort", end);
  const timer = setTimeout(
    () => cut.abort(new Error(`Nothing within ${timeoutMs} ms`)),
    timeoutMs,
  );
  let response: Response;
  let text: string;
  try {
    response = await runtime.fetch(url, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body,
      signal: cut.signal,
    });
    text = await response.text();
  } catch (cause) {
    return { cause, retryAfterMs: 0 };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
  return judge(response, text);
}

function judge(response: Response, text: string): Answer | Again {
  const json = parse(text);
  if (response.ok) {
    if (text === "" || json !== undefined) return { text, json };
    return { cause: new Error("Half a body"), retryAfterMs: 0 };
  }
  const { code, message, hint } = Refusal.parse(isJsonObject(json) ? json : {});
  const refused = new QueueError(
    response.status,
    code,
    message ?? `Status ${response.status}`,
    hint ?? undefined,
  );
  const isPassing = code === undefined
    ? isMomentary(response.status)
    : code === "UNAVAILABLE" || code === "SCHEMA_TOO_OLD";
  if (!isPassing) throw refused;
  return { cause: refused, retryAfterMs: retryAfterMs(response.headers) };
}

/** Error bodies of the functions and of the Data API, which has its own. */
const Refusal = z.looseObject({
  message: z.string().nullish().catch(null),
  hint: z.string().nullish().catch(null),
}).transform((body) => ({
  ...body,
  code: [body["code"], body["details"]].find(isErrorCode),
}));

function retryAfterMs(headers: Headers): number {
  const seconds = Number(headers.get("retry-after") ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
