import { createReadStream } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { corsHeaders } from "../cors.ts";
import type { Claims } from "./caller.ts";
import { folderOf, listFolder, type ListRequest } from "./listing.ts";
import type { StoredObject } from "./object-row.ts";
import type { Objects } from "./objects.ts";
import { STORAGE_ITSELF } from "./rows.ts";
import { readUploadToken, signUpload } from "./signed-upload.ts";
import { noSuchKey, StorageRefusal } from "./storage-error.ts";
import { readBytes, readUpload } from "./upload-body.ts";

/** One request, and what answers it. */
export interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly objects: Objects;
  readonly query: URLSearchParams;
  /** The caller; asking refuses whoever brings no valid key. */
  readonly claims: () => Claims;
  readonly reply: (body: unknown) => void;
}

/** Answers the request for one path of one bucket. */
export type Route = (
  visit: Visit,
  bucket: string,
  name: string,
) => Promise<void>;

/** By method and the words after `/object/`; the first that fits is taken. */
export const ROUTES:
  readonly (readonly [method: string, words: string, Route])[] = [
    ["POST", "upload/sign", signOneUpload],
    ["PUT", "upload/sign", putSigned],
    ["GET", "public", readPublic],
    ["HEAD", "public", readPublic],
    ["GET", "authenticated", readOwn],
    ["HEAD", "authenticated", readOwn],
    ["GET", "info", describe],
    ["POST", "list", list],
    ["POST", "", putOne],
    ["PUT", "", putOne],
    ["GET", "", readOwn],
    ["HEAD", "", readOwn],
    ["DELETE", "", remove],
  ];

async function signOneUpload(
  { request, objects, claims, reply }: Visit,
  bucketId: string,
  name: string,
): Promise<void> {
  const caller = claims();
  const { id } = await objects.bucket(bucketId);
  const upsert = request.headers["x-upsert"] === "true";
  await objects.assertMayPut(caller, id, name, upsert);
  const url = `${id}/${name}`;
  const token = signUpload(url, upsert);
  reply({
    url: `/object/upload/sign/${encodePath(url)}?token=${token}`,
    token,
  });
}

async function putSigned(
  { request, objects, query, reply }: Visit,
  bucketId: string,
  name: string,
): Promise<void> {
  const url = `${bucketId}/${name}`;
  const { upsert } = readUploadToken(query.get("token") ?? "", url);
  const bucket = await objects.bucket(bucketId);
  const upload = await readUpload(request, bucket.file_size_limit);
  await objects.put(STORAGE_ITSELF, bucket, name, upload, upsert);
  reply({ Key: url });
}

async function putOne(
  { request, objects, claims, reply }: Visit,
  bucketId: string,
  name: string,
): Promise<void> {
  const caller = claims();
  const bucket = await objects.bucket(bucketId);
  const upload = await readUpload(request, bucket.file_size_limit);
  const upsert = request.method === "PUT" ||
    request.headers["x-upsert"] === "true";
  const id = await objects.put(caller, bucket, name, upload, upsert);
  reply({ Id: id, Key: `${bucketId}/${name}` });
}

async function readPublic(
  visit: Visit,
  bucketId: string,
  name: string,
): Promise<void> {
  const bucket = await visit.objects.bucket(bucketId);
  if (!bucket.public) throw noSuchKey();
  send(visit, await visit.objects.find(STORAGE_ITSELF, bucketId, name));
}

async function readOwn(
  visit: Visit,
  bucketId: string,
  name: string,
): Promise<void> {
  send(visit, await visit.objects.find(visit.claims(), bucketId, name));
}

async function describe(
  { objects, claims, reply }: Visit,
  bucketId: string,
  name: string,
): Promise<void> {
  const object = await objects.find(claims(), bucketId, name);
  const { size, mimetype, eTag, cacheControl } = object.metadata;
  reply({
    id: object.id,
    name: object.name,
    bucket_id: bucketId,
    version: object.version,
    size,
    content_type: mimetype,
    cache_control: cacheControl,
    etag: eTag,
    metadata: {},
    created_at: object.created_at,
    last_modified: object.updated_at,
  });
}

async function list(
  { request, objects, claims, reply }: Visit,
  bucketId: string,
): Promise<void> {
  const asked = await readJson<ListRequest>(request);
  const folder = folderOf(asked);
  const found = await objects.startingWith(claims(), bucketId, folder);
  reply(listFolder(found, asked));
}

async function remove(
  { request, objects, claims, reply }: Visit,
  bucketId: string,
  name: string,
): Promise<void> {
  const caller = claims();
  if (name !== "") {
    await objects.remove(caller, bucketId, [name]);
    return reply({ message: "Successfully deleted" });
  }
  const { prefixes = [] } = await readJson<{ prefixes?: string[] }>(request);
  reply(await objects.remove(caller, bucketId, prefixes));
}

function send({ request, response, objects }: Visit, object: StoredObject) {
  const { size, mimetype, eTag, cacheControl } = object.metadata;
  response.writeHead(200, {
    "content-type": mimetype,
    "content-length": size,
    "cache-control": cacheControl,
    etag: eTag,
    ...corsHeaders(request),
  });
  if (request.method === "HEAD") return void response.end();
  const bytes = createReadStream(objects.fileOf(object));
  bytes.once("error", () => response.destroy());
  bytes.pipe(response);
}

async function readJson<T>(request: IncomingMessage): Promise<T> {
  try {
    return JSON.parse((await readBytes(request, 1024 * 1024)).toString());
  } catch {
    throw new StorageRefusal(400, "InvalidRequest", "The body must be JSON");
  }
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
