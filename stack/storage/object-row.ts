import type { TransactionSql } from "postgres";
import type { Claims } from "./caller.ts";
import { alreadyExists } from "./storage-error.ts";

/** One object: its row, and where its bytes are. */
export interface StoredObject {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly metadata: {
    readonly size: number;
    readonly mimetype: string;
    readonly eTag: string;
    readonly cacheControl: string;
  };
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** What is written about an object. */
export interface NewObject {
  readonly bucketId: string;
  readonly name: string;
  readonly version: string;
  readonly metadata: object;
}

/** Writes one row in the name of whoever the transaction is. */
export async function writeObject(
  sql: TransactionSql,
  claims: Claims,
  { bucketId, name, version, metadata }: NewObject,
  upsert: boolean,
): Promise<{ id: string; replaced: string | undefined }> {
  // Two uploads of one path follow one another, also when there is no row yet.
  await sql`select pg_advisory_xact_lock(hashtext(${bucketId}), hashtext(${name}))`;
  const [old] = await sql<{ version: string }[]>`
    select version from storage.objects
    where bucket_id = ${bucketId} and name = ${name}
    for update
  `;
  if (old && !upsert) throw alreadyExists();
  const owner = typeof claims["sub"] === "string" ? claims["sub"] : null;
  const json = JSON.stringify(metadata);
  const [row] = await sql<{ id: string }[]>`
    insert into storage.objects (bucket_id, name, owner_id, version, metadata)
    values (${bucketId}, ${name}, ${owner}, ${version}, ${json}::text::jsonb)
    on conflict (bucket_id, name) do update
    set version = excluded.version, metadata = excluded.metadata, updated_at = now()
    returning id
  `;
  return { id: row?.id ?? "", replaced: old?.version };
}
