import { keyHeaders } from "../callers/credentials.ts";
import { jsonText } from "../json/raw-json.ts";
import { type Repetition, repetitionOf } from "./repetition.ts";
import type { Rpc, RpcArguments } from "./rpc.ts";
import { noAnswer, rpcError } from "./rpc-error.ts";

/** What calls through PostgREST need from outside. */
export interface PostgrestConfig {
  readonly supabaseUrl: string;
  readonly databaseKey: string;
  readonly fetch: typeof fetch;
  /** Shorter than the 10 s after which the first client gives up. */
  readonly timeoutMs: number;
}

/**
 * An `Rpc` through PostgREST. Nothing is repeated here: the caller knows
 * whether its request may be, and 503 tells it to.
 */
export function createPostgrestRpc(config: PostgrestConfig): Rpc {
  const keys = keyHeaders(config.databaseKey);
  return async (
    name,
    args,
    requestId,
    repetition = repetitionOf(name),
    onHeaders = undefined,
  ) => {
    const signal = AbortSignal.timeout(config.timeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await config.fetch(
        `${config.supabaseUrl}/rest/v1/rpc/${name}`,
        {
          method: "POST",
          headers: {
            ...keys,
            "content-type": "application/json",
            "x-request-id": requestId,
          },
          body: bodyOf(args, repetition),
          signal,
        },
      );
      text = await response.text();
    } catch (error) {
      throw noAnswer(error, repetition);
    }
    if (!response.ok) throw rpcError(response.status, text, repetition);
    onHeaders?.(response.headers);
    return text;
  };
}

/**
 * Deno's fetch repeats a text body by itself when a reused connection closes
 * without a reply, although the first request may have been carried out. It
 * sends a Blob only once.
 */
function bodyOf(
  args: RpcArguments,
  { isRepeatable }: Repetition,
): string | Blob {
  const text = jsonText(args);
  return isRepeatable ? text : new Blob([text]);
}
