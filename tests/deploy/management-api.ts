import { createServer } from "node:http";

/** One function as the CLI uploaded it. */
export interface Upload {
  slug: string;
  metadata: Record<string, unknown>;
  /** Names of the uploaded files, relative to the project. */
  files: string[];
}

/** A stand-in for the hosted service's API, on this machine only. */
export interface ManagementApi {
  url: string;
  uploads: Upload[];
  stop(): Promise<void>;
}

/** Starts an API that accepts every upload and remembers it. */
export async function startManagementApi(): Promise<ManagementApi> {
  const uploads: Upload[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const url = new URL(request.url ?? "/", "http://api.test");
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const isUpload = request.method === "POST" &&
      url.pathname.endsWith("/functions/deploy");
    if (isUpload) {
      const form = await new Response(Buffer.concat(chunks), {
        headers: { "content-type": request.headers["content-type"] ?? "" },
      }).formData();
      const slug = url.searchParams.get("slug") ?? "";
      uploads.push(readUpload(slug, form));
      return answer(201, deployed(slug));
    }
    // Listing, or activating what was uploaded.
    answer(200, request.method === "PUT" ? { functions: [] } : []);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    uploads,
    stop: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function readUpload(slug: string, form: FormData): Upload {
  const metadata: unknown = JSON.parse(String(form.get("metadata")));
  return {
    slug,
    metadata: metadata as Record<string, unknown>,
    files: form.getAll("file").map((file) =>
      typeof file === "string" ? file : file.name
    ).sort(),
  };
}

function deployed(slug: string): Record<string, unknown> {
  return {
    id: `00000000-0000-0000-0000-${slug.length.toString().padStart(12, "0")}`,
    slug,
    name: slug,
    status: "ACTIVE",
    version: 1,
    created_at: 0,
    updated_at: 0,
    verify_jwt: false,
  };
}
