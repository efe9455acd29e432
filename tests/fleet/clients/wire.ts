import { request } from "node:http";
import { SINGLE, supabasePy } from "../../support/rest.ts";
import { stack } from "../../support/stack.ts";

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: unknown;
}

/** Rows as they come from the Data API. */
export type Row = Readonly<Record<string, unknown>>;

/** Three attempts in all: contract 2. The pauses between them are left out. */
const ATTEMPTS = 3;
const REPEATED = [502, 503, 504];

/** How the programs of the fleet reach the backend: contract 1 and 2. */
export class Wire {
  constructor(
    private readonly base: string,
    private readonly key: string = stack().serviceRoleKey,
    /** `--supabase-anon-key`: what tables are read with. */
    private readonly dataKey: string = key,
  ) {}

  /** An edge function, once: `Authorization` and nothing else. */
  async edge(name: string, body: unknown): Promise<Answer> {
    return await this.send("POST", `${this.base}/functions/v1/${name}`, {
      authorization: `Bearer ${this.key}`,
      "content-type": "application/json",
    }, JSON.stringify(body));
  }

  /** `_call_edge_function_with_retry`; null when all attempts were in vain. */
  edgeWithRetry(name: string, body: unknown): Promise<Answer | null> {
    return this.repeated(() => this.edge(name, body));
  }

  /** PUT to a signed URL, which is repeated as it is. */
  put(url: string, bytes: string, type: string): Promise<Answer | null> {
    const headers = { "content-type": type };
    return this.repeated(() =>
      this.send("PUT", this.here(url), headers, bytes)
    );
  }

  /** A plain download, without credentials. */
  async download(url: string): Promise<string> {
    const file = await this.repeated(() => this.send("GET", this.here(url)));
    if (file?.status !== 200) throw new Error(`No file at ${url}`);
    return file.text;
  }

  /** Rows of a table; throws as supabase-py does. */
  async rows(
    method: string,
    table: string,
    query: Readonly<Record<string, string>>,
    body?: unknown,
  ): Promise<Row[]> {
    const url = `${this.base}/rest/v1/${table}?${new URLSearchParams(query)}`;
    const isWrite = body !== undefined;
    const answer = await this.data(method, url, {
      ...supabasePy(this.dataKey),
      ...(isWrite ? { prefer: "return=representation" } : {}),
      ...(isWrite ? { "content-type": "application/json" } : {}),
    }, isWrite ? JSON.stringify(body) : undefined);
    if (answer.status >= 300) throw new Error(answer.text);
    return answer.json as Row[];
  }

  /** `.single()`; throws when there is not exactly one. */
  async single(
    table: string,
    query: Readonly<Record<string, string>>,
  ): Promise<Row> {
    const url = `${this.base}/rest/v1/${table}?${new URLSearchParams(query)}`;
    const headers = { ...supabasePy(this.dataKey), ...SINGLE };
    const answer = await this.data("GET", url, headers);
    if (answer.status !== 200) throw new Error(answer.text);
    return answer.json as Row;
  }

  /** A database function as curl calls it: `apikey` and no `Authorization`. */
  async rpc(name: string, body: unknown): Promise<Answer> {
    return await this.send("POST", `${this.base}/rest/v1/rpc/${name}`, {
      apikey: this.key,
      "content-type": "application/json",
      prefer: "return=representation",
    }, JSON.stringify(body));
  }

  /** supabase-py repeats a GET up to three times after a 503, nothing else. */
  private async data(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    body?: string,
  ): Promise<Answer> {
    let answer = await this.send(method, url, headers, body);
    for (let again = 0; again < ATTEMPTS; again++) {
      if (method !== "GET" || answer.status !== 503) break;
      answer = await this.send(method, url, headers);
    }
    return answer;
  }

  private async repeated(send: () => Promise<Answer>): Promise<Answer | null> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const answer = await send().catch(() => null);
      if (answer !== null && !REPEATED.includes(answer.status)) return answer;
    }
    return null;
  }

  /** Absolute URLs lead to the same backend, by the same way. */
  private here(url: string): string {
    return url.replace(stack().apiUrl, this.base);
  }

  /** One exchange on a connection of its own: nothing is sent twice unseen. */
  private send(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>> = {},
    body?: string,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const length = body === undefined
        ? {}
        : { "content-length": String(Buffer.byteLength(body)) };
      const options = {
        method,
        agent: false as const,
        headers: { ...headers, ...length },
      };
      const sent = request(url, options, (reply) => {
        const chunks: Buffer[] = [];
        reply.on("data", (chunk: Buffer) => chunks.push(chunk));
        reply.once("error", reject);
        reply.once("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: reply.statusCode ?? 0, text, json: parsed(text) });
        });
      });
      sent.once("error", reject);
      sent.end(body);
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
