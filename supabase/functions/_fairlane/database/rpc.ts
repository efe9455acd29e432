import type { Database } from "../../../../shared/database.types.ts";
import type { Repetition } from "./repetition.ts";

/** A function that the API schema offers. */
export type RpcName = keyof Database["public"]["Functions"];

/** Its arguments by name, without the caller, which the frame adds. */
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
 * Headers that the function sets go to `onHeaders`.
 *
 * There are two ways: `postgrest.ts` for the deployed functions, `direct.ts`
 * for the router.
 */
export type Rpc = (
  name: string,
  args: RpcArguments,
  requestId: string,
  repetition?: Repetition,
  onHeaders?: (headers: Headers) => void,
) => Promise<string>;
