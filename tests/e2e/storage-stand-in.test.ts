import { StorageClient } from "@supabase/storage-js";
import { expect, it } from "vitest";
import { send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { BUCKET, getFile } from "../support/storage.ts";

// What the Supabase client sees of the stack's stand-in for Storage. Where the
// real one is known to answer so, these are the answers the functions rely on.

const PNG = { contentType: "image/png" };
let folders = 0;

/** A folder of its own, and the bucket as the owner of a key sees it. */
function bucket(key = stack().secretKey) {
  const headers = { apikey: key };
  return new StorageClient(`${stack().apiUrl}/storage/v1`, headers)
    .from(BUCKET);
}

const newFolder = () => `stand-in/${folders++}`;

it("stores, refuses to replace, and replaces when told to", async () => {
  const path = `${newFolder()}/a b.png`;
  const first = await bucket().upload(path, "one", PNG);
  expect(first.data).toMatchObject({ path, fullPath: `${BUCKET}/${path}` });
  expect((await bucket().upload(path, "two", PNG)).error).toMatchObject({
    status: 400,
    statusCode: "409",
    message: "The resource already exists",
  });
  const again = await bucket().upload(path, "two", { ...PNG, upsert: true });
  expect(again.data?.id).toBe(first.data?.id);
  const { publicUrl } = bucket().getPublicUrl(path).data;
  expect((await getFile(publicUrl)).bytes).toBe("two");
  expect((await bucket().update(path, "three", PNG)).error).toBeNull();
  expect((await getFile(publicUrl)).bytes).toBe("three");
});

it("takes a form with a file in it", async () => {
  const path = `${newFolder()}/a.png`;
  const blob = new Blob(["one"], { type: "image/png" });
  expect((await bucket().upload(path, blob)).error).toBeNull();
  const file = await getFile(bucket().getPublicUrl(path).data.publicUrl);
  expect(file.bytes).toBe("one");
  expect(file.headers.get("content-type")).toBe("image/png");
  expect(file.headers.get("content-length")).toBe("3");
});

it("decides about replacing when it signs, not when it is uploaded to", async () => {
  const path = `${newFolder()}/a.png`;
  const once = await bucket().createSignedUploadUrl(path);
  const often = await bucket().createSignedUploadUrl(path, { upsert: true });
  const put = (token = "", upsert = false) =>
    bucket().uploadToSignedUrl(path, token, "x", { ...PNG, upsert });
  expect((await put(once.data?.token)).error).toBeNull();
  expect((await put(once.data?.token, true)).error)
    .toMatchObject({ statusCode: "409" });
  expect((await put(often.data?.token)).error).toBeNull();
  expect((await put(often.data?.token)).error).toBeNull();
  // Nor does it sign what could not be used.
  expect((await bucket().createSignedUploadUrl(path)).error)
    .toMatchObject({ statusCode: "409" });
});

it("lists one level, describes and removes", async () => {
  const folder = newFolder();
  for (const name of ["b.png", "a.png", "deeper/c.png"]) {
    await bucket().upload(`${folder}/${name}`, "x", PNG);
  }
  const listed = await bucket().list(folder);
  expect(listed.data?.map(({ name, id }) => `${name} ${id !== null}`))
    .toEqual(["a.png true", "b.png true", "deeper false"]);
  expect((await bucket().list(folder, { limit: 1, offset: 1 })).data)
    .toMatchObject([{ name: "b.png", metadata: { size: 1 } }]);
  expect((await bucket().info(`${folder}/a.png`)).data)
    .toMatchObject({ size: 1, contentType: "image/png" });
  expect((await bucket().exists(`${folder}/no.png`)).data).toBe(false);
  const removed = await bucket().remove([
    `${folder}/a.png`,
    `${folder}/no.png`,
  ]);
  expect(removed.data).toMatchObject([{ name: `${folder}/a.png` }]);
  expect((await bucket().exists(`${folder}/a.png`)).data).toBe(false);
});

it.each(["anonKey", "publishableKey"] as const)(
  "shows and takes nothing with the %s, but what is public",
  async (key) => {
    const folder = newFolder();
    const path = `${folder}/a.png`;
    await bucket().upload(path, "x", PNG);
    const stranger = bucket(stack()[key]);
    expect((await stranger.upload(`${folder}/b.png`, "x", PNG)).error)
      .toMatchObject({ statusCode: "403" });
    expect((await stranger.createSignedUploadUrl(`${folder}/b.png`)).error)
      .toMatchObject({ statusCode: "403" });
    expect((await stranger.list(folder)).data).toEqual([]);
    expect((await stranger.remove([path])).data).toEqual([]);
    expect((await stranger.info(path)).error)
      .toMatchObject({ statusCode: "404" });
    const url = stranger.getPublicUrl(path).data.publicUrl;
    expect((await getFile(url)).bytes).toBe("x");
  },
);

it("refuses other types, other buckets, and keys of other projects", async () => {
  const path = `${newFolder()}/a.png`;
  const html = { contentType: "text/html" };
  expect((await bucket().upload(path, "x", html)).error)
    .toMatchObject({ statusCode: "415" });
  const headers = { apikey: stack().secretKey };
  const client = new StorageClient(`${stack().apiUrl}/storage/v1`, headers);
  expect((await client.from("other").upload(path, "x", PNG)).error)
    .toMatchObject({ statusCode: "404", message: "Bucket not found" });
  expect((await bucket("sb_secret_other").upload(path, "x", PNG)).error)
    .toMatchObject({ statusCode: "403" });
  const { error } = await bucket().copy(path, `${path}2`);
  expect(error?.message).toContain("stand-in");
});

it("answers a browser's preflight and HEAD", async () => {
  const path = `${newFolder()}/a.png`;
  await bucket().upload(path, "12345", PNG);
  const url = bucket().getPublicUrl(path).data.publicUrl;
  const head = await fetch(url, { method: "HEAD" });
  expect(head.headers.get("content-length")).toBe("5");
  const preflight = await send(new URL(url).pathname, {
    method: "OPTIONS",
    headers: { "access-control-request-method": "PUT" },
  });
  expect(preflight.status).toBe(204);
});
