import { randomUUID } from "node:crypto";
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

const UNIQUE_VIOLATION = "23505";

/**
 * Writes one row in the name of whoever the transaction is.
 *
 * As with the real one, a new object needs the right to insert and no other; to
 * replace one, the caller has to be allowed to see and to update it, too.
 */
export async function writeObject(
  sql: TransactionSql,
  claims: Claims,
  object: NewObject,
  upsert: boolean,
): Promise<{ id: string; replaced: string | undefined }> {
  const { bucketId, name, version, metadata } = object;
  // Two uploads of one path follow one another, also when there is no row yet.
  await sql`select pg_advisory_xact_lock(hashtext(${bucketId}), hashtext(${name}))`;
  const id = randomUUID();
  const owner = typeof claims["sub"] === "string" ? claims["sub"] : null;
  const json = JSON.stringify(metadata);
  const insert = sql`
    insert into storage.objects (id, bucket_id, name, owner_id, version, metadata)
    values (${id}, ${bucketId}, ${name}, ${owner}, ${version}, ${json}::text::jsonb)
  `;
  if (!upsert) {
    // Without `returning`, which would ask for the right to read.
    await insert.catch((error: { code?: unknown }) => {
      throw error.code === UNIQUE_VIOLATION ? alreadyExists() : error;
    });
    return { id, replaced: undefined };
  }
  const [old] = await sql<{ version: string }[]>`
    select version from storage.objects
    where bucket_id = ${bucketId} and name = ${name}
    for update
  `;
  const [row] = await sql<{ id: string }[]>`
    ${insert}
    on conflict (bucket_id, name) do update
    set version = excluded.version, metadata = excluded.metadata, updated_at = now()
    returning id
  `;
  return { id: row?.id ?? "", replaced: old?.version };
}
