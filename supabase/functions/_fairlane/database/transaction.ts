import type { RpcArguments } from "./rpc.ts";
import type { Signature } from "./signatures.ts";

/** The role of every call: who calls for whom is its argument `p_caller`. */
const ROLE = "service_role";

/**
 * What opens the transaction of a call, in one message: what PostgREST sets for
 * the call of a service key. The time limits are those of its roles.
 */
export function beginOf(
  { name, only_reads }: Signature,
  requestId: string,
): string {
  const settings = {
    "request.jwt.claims": JSON.stringify({ role: ROLE }),
    "request.method": "POST",
    "request.path": `/rpc/${name}`,
    "request.headers": JSON.stringify({ "x-request-id": requestId }),
    // An instance that is stopped in between must not keep its locks.
    "idle_in_transaction_session_timeout": "5s",
  };
  const set = Object.entries(settings).map(([name, value]) =>
    `pg_catalog.set_config(${literal(name)}, ${literal(value)}, true)`
  );
  return `begin ${only_reads ? "read only" : "read write"};
    set local role ${ROLE};
    select ${set.join(", ")};
    ${TIME_LIMITS}`;
}

const TIME_LIMITS = `
  select pg_catalog.set_config(
    l.name,
    coalesce(
      (
        select substr(c.setting, length(l.name) + 2)
        from pg_catalog.pg_roles as r, unnest(r.rolconfig) as c (setting)
        where r.rolname in ('${ROLE}', 'authenticator') and starts_with(c.setting, l.name || '=')
        order by r.rolname = '${ROLE}' desc
        limit 1
      ),
      '8s'
    ),
    true
  )
  from (values ('statement_timeout'), ('lock_timeout')) as l (name)`;

/**
 * The call itself; its one parameter is the JSON object of the arguments, which
 * Postgres takes apart, as it does for PostgREST: numbers keep their spelling.
 */
export function statementOf(
  schema: string,
  { name, types }: Signature,
  args: RpcArguments,
): string {
  const given = Object.keys(types).filter((key) => args[key] !== undefined);
  const columns = given.map((key) => `${identifier(key)} ${types[key]}`);
  const named = given.map((key) =>
    `${identifier(key)} => a.${identifier(key)}`
  );
  // format: a function without a result has nothing that could be cast.
  return `select
      pg_catalog.format('%s', r.reply) as reply,
      pg_catalog.current_setting('response.headers', true) as headers
    from pg_catalog.json_to_record($1::text::json) as a (${columns.join(", ")})
      cross join lateral ${identifier(schema)}.${identifier(name)}(${
    named.join(", ")
  }) as r (reply)`;
}

/** What a function has said in `response.headers`, as PostgREST reads it. */
export function headersOf(setting: string | null): Headers {
  const headers = new Headers();
  if (!setting) return headers;
  const said: Readonly<Record<string, string>>[] = JSON.parse(setting);
  for (const [name, value] of said.flatMap(Object.entries<string>)) {
    headers.append(name, value);
  }
  return headers;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
