import { z } from "zod";
import { type EndpointEntry, ENDPOINTS } from "../../shared/endpoints.ts";
import {
  ERROR_CODES,
  ErrorBody,
  type ErrorCode,
} from "../../shared/error-codes.ts";
import { JsonObject, Uuid } from "../../shared/fields.ts";

/** Where the document is kept. */
export const OPENAPI_FILE = "docs/openapi.json";

/** JSON as this document holds it. */
export type Json = { [key: string]: unknown };

/** What the frame of every endpoint may answer. */
export const COMMON_ERRORS: readonly ErrorCode[] = [
  "MISSING_CREDENTIALS",
  "INVALID_CREDENTIALS",
  "UNKNOWN_TOKEN",
  "FORBIDDEN",
  "METHOD_NOT_ALLOWED",
  "INVALID_BODY",
  "INVALID_ARGUMENT",
  "BODY_TOO_LARGE",
  "UNAVAILABLE",
  "SCHEMA_TOO_OLD",
  "INTERNAL",
];

/** The endpoints as OpenAPI 3.1 describes them, made from the zod schemas. */
export function openApiDocument(): Json {
  return {
    openapi: "3.1.0",
    info: {
      title: "Task queue",
      version: "1",
      description:
        "The queue's edge functions. Bodies of deployed clients may hold more fields than are named here: they are ignored. docs/http-api.md is the page for readers.",
    },
    servers: [{
      url: "{project}/functions/v1",
      variables: { project: { default: "http://127.0.0.1:54321" } },
    }],
    paths: Object.fromEntries(
      Object.entries(ENDPOINTS).map(([name, entry]) => [
        `/${name}`,
        {
          post: operation(name, entry),
          ...(entry.answersGet && { get: question(name, entry) }),
        },
      ]),
    ),
    components: {
      schemas: { Error: errorSchema() },
      responses: errorResponses(COMMON_ERRORS),
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description:
            "A service key, a personal access token or a signed-in user's JWT",
        },
        apikey: {
          type: "apiKey",
          in: "header",
          name: "apikey",
          description: "A service key or a personal access token",
        },
      },
    },
    security: [{ bearer: [] }, { apikey: [] }],
  };
}

function operation(name: string, entry: EndpointEntry): Json {
  const replies = entry.replies.map((schema) => jsonSchema(schema, "output"));
  return {
    operationId: name,
    summary: entry.summary,
    description: `Callers: ${entry.callers.join(", ")}.`,
    requestBody: {
      required: true,
      content: content(
        oneOrAny(entry.requests.map((schema) => jsonSchema(schema, "input"))),
      ),
    },
    responses: {
      ...(replies.length > 0 && {
        200: { description: "Done", content: content(oneOrAny(replies)) },
      }),
      ...(entry.mayBeEmpty && { 204: { description: "Nothing to answer" } }),
      ...errorsOf(entry),
    },
  };
}

/** The same by GET: the fields of the body in the query. */
function question(name: string, entry: EndpointEntry): Json {
  const { requestBody: _, ...asked } = operation(name, entry);
  const [request] = entry.requests.map((schema) => jsonSchema(schema, "input"));
  const fields = z.record(z.string(), z.record(z.string(), z.unknown()))
    .parse(request?.["properties"]);
  return {
    ...asked,
    operationId: `get-${name}`,
    parameters: Object.entries(fields)
      .map(([field, { description, ...schema }]) => ({
        ...{ name: field, in: "query", description, schema },
      })),
  };
}

/** One response per status, which names the codes that come with it. */
function errorResponses(codes: readonly ErrorCode[]): Json {
  const statuses = [...new Set(codes.map((code) => ERROR_CODES[code].status))];
  return Object.fromEntries(
    statuses.toSorted((a, b) => a - b).map((status) => [status, {
      description: codes
        .filter((code) => ERROR_CODES[code].status === status)
        .map((code) => `\`${code}\`: ${ERROR_CODES[code].meaning}`)
        .join(". "),
      content: content({ $ref: "#/components/schemas/Error" }),
    }]),
  );
}

/** Those of every endpoint by reference, but where one adds a code to them. */
function errorsOf(entry: EndpointEntry): Json {
  const own = errorResponses([...COMMON_ERRORS, ...entry.errors]);
  const added = entry.errors.map((code) => String(ERROR_CODES[code].status));
  return Object.fromEntries(
    Object.entries(own).map(([status, response]) => [
      status,
      added.includes(status)
        ? response
        : { $ref: `#/components/responses/${status}` },
    ]),
  );
}

function errorSchema(): Json {
  const schema = jsonSchema(ErrorBody, "output");
  return {
    ...schema,
    properties: {
      ...z.record(z.string(), z.unknown()).parse(schema["properties"]),
      code: { type: "string", enum: Object.keys(ERROR_CODES) },
    },
  };
}

/** A contract as JSON Schema. */
export function jsonSchema(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    // What no JSON Schema can say is left open.
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === JsonObject) jsonSchema.type = "object";
      if (zodSchema === Uuid && io === "input") jsonSchema.format = "uuid";
      // Zod takes the default of a body away: it cannot know it for one.
      const told = z.globalRegistry.get(zodSchema)?.["default"];
      if (told !== undefined) Object.assign(jsonSchema, { default: told });
    },
  });
  return json;
}

function oneOrAny(schemas: readonly Json[]): Json {
  const [first] = schemas;
  return schemas.length === 1 && first !== undefined
    ? first
    : { anyOf: schemas };
}

function content(schema: Json): Json {
  return { "application/json": { schema } };
}
