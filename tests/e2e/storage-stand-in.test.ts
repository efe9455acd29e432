import { StorageClient } from "@supabase/storage-js";
import { expect, it } from "vitest";
import { signJwt } from "../../stack/keys.ts";
import { admin } from "../support/db.ts";
import { send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { BUCKET, getFile, publicUrl, putFile } from "../support/storage.ts";

// What the Supabase client sees of the stack's stand-in for Storage. Where the
// real one is known to answer so, these are the answers the functions rely on.

const PNG = { contentType: "image/png" };
let folders = 0;

/** A folder of its own, and the bucket as the owner of a key sees it. */
function bucket(key = stack().secretKey, token?: string) {
  const bearer = token ? { authorization: `Bearer ${token}` } : {};
  const headers = { apikey: key, ...bearer };
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

it("takes from deployed clients what they send, again and again", async () => {
  const path = `${newFolder()}/a b.mp4`;
  const { data } = await bucket().createSignedUploadUrl(path, { upsert: true });
  const signed = data?.signedUrl ?? "";
  const video = { "content-type": "video/mp4" };
  // The worker, twice, then the API orchestrator, whose header changes nothing.
  expect(await putFile(signed, "first")).toBe(200);
  expect(await putFile(signed, "again")).toBe(200);
  expect(await putFile(signed, "third", { ...video, "x-upsert": "true" }))
    .toBe(200);
  const read = await getFile(publicUrl(encodeURI(path)));
  expect(read).toMatchObject({ status: 200, bytes: "third" });
  expect(read.headers.get("content-length")).toBe("5");

  // A composite: a bearer alone, also where there is an object already.
  const composite = `task_outputs/_composite_${Date.now()}.jpg`;
  for (const bytes of ["one", "other"]) {
    const posted = await fetch(
      `${stack().apiUrl}/storage/v1/object/${BUCKET}/${composite}`,
      {
        method: "POST",
        headers: {
          authorization: `Bearer ${stack().serviceRoleKey}`,
          "content-type": "image/jpeg",
          "x-upsert": "true",
        },
        body: bytes,
      },
    );
    expect(posted.status).toBe(200);
    expect((await getFile(publicUrl(composite))).bytes).toBe(bytes);
  }
});

it("lets a user do what the policies of the table say, and no more", async () => {
  const owner = crypto.randomUUID();
  const token = signJwt({ sub: owner, role: "authenticated" });
  const own = bucket(stack().anonKey, token);
  const path = `${owner}/a.png`;
  const allow = (operation: string, clause: string) =>
    admin().unsafe(`
      create policy stand_in_${operation} on storage.objects
      for ${operation} to authenticated
      ${clause} ((storage.foldername(name))[1] = (select auth.uid())::text)
    `);
  try {
    expect((await own.upload(path, "one", PNG)).error)
      .toMatchObject({ statusCode: "403" });
    // To insert is enough for what is new, and shows nothing.
    await allow("insert", "with check");
    expect((await own.upload(path, "one", PNG)).error).toBeNull();
    expect((await own.upload(path, "two", PNG)).error)
      .toMatchObject({ statusCode: "409" });
    expect((await own.upload(`${newFolder()}/a.png`, "x", PNG)).error)
      .toMatchObject({ statusCode: "403" });
    expect((await own.list(owner)).data).toEqual([]);
    const upsert = { ...PNG, upsert: true };
    expect((await own.upload(path, "two", upsert)).error)
      .toMatchObject({ statusCode: "403" });
    // To replace takes the rights to see and to update, too.
    await allow("select", "using");
    await allow("update", "using");
    expect((await own.upload(path, "two", upsert)).error).toBeNull();
    expect(await (await own.download(path)).data?.text()).toBe("two");
    expect((await own.list(owner)).data).toMatchObject([{ name: "a.png" }]);
    expect((await own.remove([path])).data).toEqual([]);
    await allow("delete", "using");
    expect((await own.remove([path])).data).toMatchObject([{ name: path }]);
  } finally {
    for (const operation of ["insert", "select", "update", "delete"]) {
      await admin().unsafe(
        `drop policy if exists stand_in_${operation} on storage.objects`,
      );
    }
  }
});

it("lists in the order asked for", async () => {
  const folder = newFolder();
  for (const name of ["b.png", "c.png", "a.png"]) {
    await bucket().upload(`${folder}/${name}`, "x", PNG);
  }
  const names = async (column: string, order: string) =>
    (await bucket().list(folder, { sortBy: { column, order } })).data
      ?.map(({ name }) => name);
  expect(await names("name", "desc")).toEqual(["c.png", "b.png", "a.png"]);
  expect(await names("created_at", "asc"))
    .toEqual(["b.png", "c.png", "a.png"]);
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
