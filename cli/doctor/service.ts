import type { Examination, Finding } from "../finding.ts";
import { findingsOfHealth, HealthOfAnyVersion } from "./health.ts";
import {
  findingsOfFunctionVersion,
  findingsOfSchemaVersion,
} from "./versions.ts";

const TIMEOUT_MS = 15_000;
const DEPLOY = "npx supabase functions deploy fairlane --use-api";
const LOGS = "the logs of the function fairlane, in the project's dashboard";

const BEYOND =
  "Files, migrations, grants and row security: the function does not tell them";
const HEALTH = "The health of the queue: the function did not tell it";

/** What came back, as far as it is read. */
interface Reply {
  readonly status: number;
  /** The version of the function; undefined when somebody else has answered. */
  readonly version: string | undefined;
  readonly body: unknown;
}

/** Asks the deployed function, with nothing but the project's address and secret key. */
export async function examineService(
  base: string,
  key: string,
  version: string,
): Promise<Examination> {
  const refused = refusal(base);
  if (refused) return notAnswered(refused);
  let reply: Reply;
  try {
    reply = await askHealth(base, key);
  } catch (error) {
    return notAnswered(errorOf(
      "service-unreachable",
      `${new URL(base).host} does not answer: ${reasonOf(error)}`,
      "Check the address, https://<ref>.supabase.co, the network, and whether the project is paused",
    ));
  }
  if (reply.version === undefined) return notAnswered(ofThePlatform(reply));
  const ofVersion = findingsOfFunctionVersion(
    "The deployed function",
    reply.version,
    version,
  );
  const health = HealthOfAnyVersion.safeParse(reply.body).data;
  if (health === undefined) {
    return {
      findings: [ofTheFunction(reply, version), ...ofVersion],
      notLookedAt: [HEALTH, BEYOND],
    };
  }
  return {
    findings: [
      ...ofVersion,
      ...findingsOfSchemaVersion(health.version, version),
      ...findingsOfHealth(health),
    ],
    notLookedAt: [BEYOND],
  };
}

/** Why a key is not sent to this address. */
function refusal(base: string): Finding | undefined {
  const url = URL.canParse(base) ? new URL(base) : undefined;
  const isLocal = url !== undefined &&
    /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url?.protocol === "https:" || (url?.protocol === "http:" && isLocal)) {
    return undefined;
  }
  return errorOf(
    "address-wrong",
    "The address of the project does not begin with https://: the key was not sent",
    "Name it as https://<ref>.supabase.co",
  );
}

async function askHealth(base: string, key: string): Promise<Reply> {
  const response = await fetch(
    `${base.replace(/\/+$/, "")}/functions/v1/fairlane/health`,
    {
      method: "POST",
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
      },
      body: "{}",
      // Nobody else gets the key.
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    },
  );
  return {
    status: response.status,
    version: response.headers.get("x-fairlane-version") ?? undefined,
    body: jsonOf(await response.text()),
  };
}

/** What a reply means that no function of ours has given. */
function ofThePlatform({ status, body }: Reply): Finding {
  const code = codeOf(body);
  if (status === 401 || status === 403) {
    return errorOf(
      "platform-refuses-key",
      `The platform refuses the key (${status}) before the function sees it: verify_jwt is still on, or the key is of another project`,
      `See that supabase/config.toml has verify_jwt = false in [functions.fairlane], then ${DEPLOY}`,
    );
  }
  if (status === 404) {
    return errorOf(
      "function-not-deployed",
      "The project has no function fairlane",
      DEPLOY,
    );
  }
  return errorOf(
    "function-not-running",
    `Not the function has answered but something before it: ${status}${
      code ? ` ${code}` : ""
    }`,
    status >= 500
      ? `Read ${LOGS}, then ${DEPLOY}`
      : "Check the address, https://<ref>.supabase.co",
  );
}

/** What an error of the function means. */
function ofTheFunction({ status, body }: Reply, version: string): Finding {
  const code = codeOf(body);
  if (status === 401 || status === 403) {
    return errorOf(
      "key-refused",
      `The function refuses the key (${status}${code ? ` ${code}` : ""})`,
      "Use a secret key of this project (sb_secret_…, or the service_role key), not a publishable or anon key",
    );
  }
  if (code === "SCHEMA_TOO_OLD") {
    return errorOf(
      "schema-too-old",
      "The function does not work: the database has an older version of the queue, or none",
      `npx supabase db push --remote. If that brings nothing, npx fairlane upgrade (this package is ${version}) first`,
    );
  }
  if (code === "UNAVAILABLE") {
    return errorOf(
      "database-unavailable",
      "The function runs and cannot use the database now",
      `Repeat this. If it stays so, read ${LOGS}`,
    );
  }
  return errorOf(
    "function-fails",
    `The function does not tell its health: it answers ${status}${
      code ? ` ${code}` : ""
    }`,
    `Read ${LOGS}`,
  );
}

function notAnswered(finding: Finding): Examination {
  return { findings: [finding], notLookedAt: [HEALTH, BEYOND] };
}

function errorOf(code: string, what: string, remedy: string): Finding {
  return { code, severity: "error", what, remedy };
}

/** The code of a network error; its text could repeat what was sent. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "no reason is known";
  if (error.name === "TimeoutError") return "nothing came within 15 seconds";
  const cause = error.cause as { code?: unknown } | undefined;
  return typeof cause?.code === "string" ? cause.code : error.name;
}

function codeOf(body: unknown): string | undefined {
  const code = (body as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" && /^\w{1,60}$/.test(code) ? code : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
