import { z } from "zod";
import type { Json } from "./document.ts";

/** One row of a table of fields; fields that mean the same share it. */
interface Row {
  names: string[];
  schema: Json;
  isRequired: boolean;
}

const Part = z.record(z.string(), z.unknown());
const Parts = z.array(Part);

/** The fields of all forms of a body, each once. */
export function rowsOf(forms: readonly Json[]): Row[] {
  const rows: Row[] = [];
  for (const form of forms) {
    for (const [name, schema] of propertiesOf(form)) {
      const isRequired = requiredOf(form).has(name) && forms.length === 1;
      const before = rows.at(-1);
      if (rows.some(({ names }) => names.includes(name))) continue;
      if (JSON.stringify(before?.schema) === JSON.stringify(schema)) {
        before?.names.push(name);
      } else rows.push({ names: [name], schema, isRequired });
    }
  }
  return rows;
}

/** What a field of a body may be, in words. */
export function limitsOf(schema: Json): string {
  const unit = schema["x-unit"];
  const words = formsOf(schema).map(wordsOf).join(", or ");
  return unit === undefined ? words : `${words}; ${String(unit)}`;
}

function wordsOf(schema: Json): string {
  const { minimum, maximum, maxItems, minItems, minLength, maxLength } = schema;
  if (Array.isArray(schema["enum"])) {
    return schema["enum"].map((value) => `\`${String(value)}\``).join(", ");
  }
  switch (kindOf(schema)) {
    case "array": {
      const items = Part.safeParse(schema["items"]).data ?? {};
      const many = kindOf(items) === "object"
        ? "objects"
        : wordsOf(items) + "s";
      const what = Object.keys(items).length === 0 ? "list" : `list of ${many}`;
      return what + range(minItems, maxItems, "");
    }
    case "boolean":
      return "true or false";
    case "string":
      return "string" + range(minLength, maxLength, " characters");
    case "integer":
    case "number":
      return kindOf(schema) + range(minimum, maximum, "");
    case "any":
      return "anything";
    default:
      return kindOf(schema);
  }
}

/** The bounds that are worth telling: what any safe integer fits into is none. */
function range(min: unknown, max: unknown, unit: string): string {
  const low = typeof min === "number" && min > -(2 ** 52) ? min : undefined;
  const high = typeof max === "number" && max < 2 ** 52 ? max : undefined;
  const text = (n: number) => n.toLocaleString("en-US");
  if (low !== undefined && high !== undefined) {
    return `, ${text(low)} to ${text(high)}${unit}`;
  }
  if (high !== undefined) return `, at most ${text(high)}${unit}`;
  return low === undefined ? "" : `, at least ${text(low)}${unit}`;
}

/** A reply as a TypeScript reader writes it, with what its fields mean. */
export function typeOf(schema: Json, indent = ""): string {
  const forms = formsOf(schema).map((form) => plainTypeOf(form, indent));
  const isNullable = isNull(schema);
  return [...forms, ...(isNullable ? ["null"] : [])].join(" | ");
}

function plainTypeOf(schema: Json, indent: string): string {
  if (Array.isArray(schema["enum"])) {
    return schema["enum"].map((value) => JSON.stringify(value)).join(" | ");
  }
  if ("const" in schema) return JSON.stringify(schema["const"]);
  switch (kindOf(schema)) {
    case "array": {
      const items = Part.safeParse(schema["items"]).data ?? {};
      return `${typeOf(items, indent)}[]`;
    }
    case "object":
      return objectTypeOf(schema, indent);
    default:
      return kindOf(schema);
  }
}

function objectTypeOf(schema: Json, indent: string): string {
  const properties = propertiesOf(schema);
  if (properties.length === 0) {
    const values = Part.safeParse(schema["additionalProperties"]).data ?? {};
    return Object.keys(values).length === 0
      ? "object"
      : `{ [key]: ${typeOf(values, indent)} }`;
  }
  const inner = `${indent}  `;
  const lines = properties.map(([name, value]) => {
    const mark = requiredOf(schema).has(name) ? "" : "?";
    const note = value["description"];
    const comment = note === undefined ? "" : ` // ${String(note)}`;
    return `${inner}${name}${mark}: ${typeOf(value, inner)}${comment}`;
  });
  return ["{", ...lines, `${indent}}`].join("\n");
}

function kindOf(schema: Json): string {
  const { format, type } = schema;
  if (format === "uuid" || format === "guid") return "UUID";
  if (format === "date-time") return "time with its zone";
  if (format === "uri") return "URL";
  if (Array.isArray(type)) {
    return String(type.find((one) => one !== "null"));
  }
  return typeof type === "string" ? type : "any";
}

/** The forms a value may have, without null. */
function formsOf(schema: Json): Json[] {
  const parts = Parts.safeParse(schema["anyOf"]).data;
  if (parts === undefined) return [schema];
  return parts.filter((part) => part["type"] !== "null");
}

function isNull(schema: Json): boolean {
  const parts = Parts.safeParse(schema["anyOf"]).data ?? [];
  const { type } = schema;
  return parts.some((part) => part["type"] === "null") ||
    (Array.isArray(type) && type.includes("null"));
}

function propertiesOf(schema: Json): [string, Json][] {
  const properties = z.record(z.string(), Part).safeParse(schema["properties"]);
  return Object.entries(properties.data ?? {});
}

function requiredOf(schema: Json): Set<string> {
  return new Set(z.array(z.string()).safeParse(schema["required"]).data);
}
