import type { Database } from "../../../../shared/database.types.ts";
import { keyHeaders } from "../callers/credentials.ts";
import { ApiError } from "../frame/api-error.ts";
import { jsonText } from "../json/raw-json.ts";
import { type Repetition, repetitionOf } from "./repetition.ts";
import { rpcError } from "./rpc-error.ts";

/** A function that the Data API offers. */
export type RpcName = keyof Database["public"]["Functions"];

/** Its arguments by name, but for the caller, whom the frame adds. */
export type RpcArgumentsOf<Name extends RpcName> = {
  readonly [
    Argument in Exclude<
      keyof Database["public"]["Functions"][Name]["Args"],
      "p_caller"
    >
  ]?: unknown;
};

/** Arguments by name; undefined ones are left to the function's default. */
export type RpcArguments = Readonly<Record<string, unknown>>;

/**
 * Calls one SQL function and returns its reply as text. Text, because numbers
 * of more than 53 bits (seeds) would not survive being parsed and written.
 * What the function says beside it, in headers, goes to `onHeaders`.
 */
export type Rpc = (
  name: string,
  args: RpcArguments,
  requestId: string,
  repetition?: Repetition,
  onHeaders?: (headers: Headers) => void,
) => Promise<string>;

/** What an `Rpc` needs from outside. */
export interface RpcConfig {
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
export function createRpc(config: RpcConfig): Rpc {
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
      throw unreachable(error, repetition);
    }
    if (!response.ok) throw rpcError(response.status, text, repetition);
    onHeaders?.(response.headers);
    return text;
  };
}

/**
 * Deno's fetch sends a text once more by itself when a connection that was used
 * before closes without a reply, although the first may have been carried out.
 * A Blob it sends once.
 */
function bodyOf(
  args: RpcArguments,
  { isRepeatable }: Repetition,
): string | Blob {
  const text = jsonText(args);
  return isRepeatable ? text : new Blob([text]);
}

function unreachable(error: unknown, { hint }: Repetition): ApiError {
  const cause = error instanceof Error ? error.name : typeof error;
  return new ApiError("UNAVAILABLE", "The database did not answer in time", {
    hint,
    logged: { cause },
  });
}
