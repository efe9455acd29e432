import { randomUUID } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assertAllowed, type Bucket } from "./bucket.ts";
import type { Claims } from "./caller.ts";
import { type StoredObject, writeObject } from "./object-row.ts";
import { type Rows, STORAGE_ITSELF } from "./rows.ts";
import { noSuchKey, StorageRefusal } from "./storage-error.ts";
import type { Upload } from "./upload-body.ts";

/** Rows in the database, bytes in files that are named after their version. */
export class Objects {
  #rows: Rows;
  #dir: string;

  constructor(rows: Rows, dir: string) {
    this.#rows = rows;
    this.#dir = dir;
  }

  /** Where the bytes of an object are. */
  fileOf(object: { version: string }): string {
    return join(this.#dir, object.version);
  }

  async bucket(id: string): Promise<Bucket> {
    const [bucket] = await this.#rows.as(STORAGE_ITSELF, (sql) =>
      sql<Bucket[]>`
        select id, public, file_size_limit::float8 as file_size_limit, allowed_mime_types
        from storage.buckets
        where id = ${id}
      `);
    if (bucket) return bucket;
    throw new StorageRefusal(404, "NoSuchBucket", "Bucket not found");
  }

  /** Stores the bytes, then the row that makes them an object. */
  async put(
    claims: Claims,
    bucket: Bucket,
    name: string,
    upload: Upload,
    upsert: boolean,
  ): Promise<string> {
    assertAllowed(bucket, upload.contentType);
    const version = randomUUID();
    const file = this.fileOf({ version });
    await mkdir(this.#dir, { recursive: true });
    await writeFile(`${file}.part`, upload.bytes);
    await rename(`${file}.part`, file);
    const metadata = {
      size: upload.bytes.length,
      mimetype: upload.contentType,
      eTag: `"${version}"`,
      cacheControl: upload.cacheControl,
    };
    try {
      const { id, replaced } = await this.#rows.as(
        claims,
        (sql) =>
          writeObject(
            sql,
            claims,
            { bucketId: bucket.id, name, version, metadata },
            upsert,
          ),
      );
      if (replaced) await this.#forget({ version: replaced });
      return id;
    } catch (error) {
      await this.#forget({ version });
      throw error;
    }
  }

  /** Refuses what `put` would refuse this caller, without doing it. */
  async assertMayPut(
    claims: Claims,
    bucketId: string,
    name: string,
    upsert: boolean,
  ): Promise<void> {
    const onlyAsked = new Error("Only asked");
    try {
      await this.#rows.as(claims, async (sql) => {
        const object = { bucketId, name, version: "", metadata: {} };
        await writeObject(sql, claims, object, upsert);
        throw onlyAsked;
      });
    } catch (error) {
      if (error !== onlyAsked) throw error;
    }
  }

  /** The object, if this caller may see it. */
  async find(
    claims: Claims,
    bucketId: string,
    name: string,
  ): Promise<StoredObject> {
    const [object] = await this.#rows.as(claims, (sql) =>
      sql<StoredObject[]>`
        select id, name, version, metadata, created_at, updated_at
        from storage.objects
        where bucket_id = ${bucketId} and name = ${name}
      `);
    if (object) return object;
    throw noSuchKey();
  }

  /** Every object of the bucket whose name begins so. */
  async startingWith(
    claims: Claims,
    bucketId: string,
    prefix: string,
  ): Promise<StoredObject[]> {
    return await this.#rows.as(claims, (sql) =>
      sql<StoredObject[]>`
        select id, name, version, metadata, created_at, updated_at
        from storage.objects
        where bucket_id = ${bucketId} and starts_with(name, ${prefix})
        order by name
      `);
  }

  /** Removes the objects that are there and that the caller may remove. */
  async remove(
    claims: Claims,
    bucketId: string,
    names: readonly string[],
  ): Promise<StoredObject[]> {
    const removed = await this.#rows.as(claims, (sql) =>
      sql<StoredObject[]>`
        delete from storage.objects
        where bucket_id = ${bucketId} and name = any (${[...names]})
        returning id, name, version, metadata, created_at, updated_at
      `);
    for (const object of removed) await this.#forget(object);
    return removed;
  }

  async #forget(object: { version: string }): Promise<void> {
    await rm(this.fileOf(object), { force: true });
  }
}
