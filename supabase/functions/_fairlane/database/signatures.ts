import type { Sql } from "postgres";
import type { RpcArguments } from "./rpc.ts";

/** What a call with a JSON object needs to know about a function. */
export interface Signature {
  readonly name: string;
  /** It is called in a transaction that only reads. */
  readonly only_reads: boolean;
  /** The SQL type of each argument by its name. */
  readonly types: Readonly<Record<string, string>>;
}

const QUERY = `
  select
    p.proname as name,
    p.provolatile <> 'v' as only_reads,
    (
      select pg_catalog.json_object_agg(a.name, pg_catalog.format_type(a.type, null))
      from unnest(p.proargnames, p.proargtypes::oid[]) as a (name, type)
    ) as types
  from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = $1 and p.prokind = 'f' and p.proargmodes is null and p.proargnames is not null`;

/**
 * The functions of one schema, read once as PostgREST does, and again when a
 * requested one is missing or has changed: a migration may have added it.
 */
export class Signatures {
  readonly #schema: string;
  #known: readonly Signature[] = [];

  constructor(schema: string) {
    this.#schema = schema;
  }

  /** The function that takes these arguments; undefined = there is none. */
  async find(
    sql: Sql,
    name: string,
    args: RpcArguments,
  ): Promise<Signature | undefined> {
    const found = this.#find(name, args);
    if (found !== undefined) return found;
    this.#known = await sql.unsafe<Signature[]>(QUERY, [this.#schema]);
    return this.#find(name, args);
  }

  forget(): void {
    this.#known = [];
  }

  #find(name: string, args: RpcArguments): Signature | undefined {
    const given = Object.keys(args).filter((key) => args[key] !== undefined);
    return this.#known.find((signature) =>
      signature.name === name &&
      given.every((key) => Object.hasOwn(signature.types, key))
    );
  }
}
