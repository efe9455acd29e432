import { OLD_TABLES } from "./destination.ts";
import { wrapped } from "./pieces.ts";
import { type SchemaFile, schemaStatements } from "./schema-files.ts";
import { signatures } from "./signatures.ts";

/** Whether the fleet's backend of August 2025 had a function of this name: it is replaced, whatever its arguments. */
export function isOldFunction(name: string): boolean {
  return name.startsWith("func_");
}

/** What is made in public beside the old tables, and on them, as the first migration looks for it. */
export function namesInPublic(files: readonly SchemaFile[]): string {
  const code = files.flatMap(({ text }) => schemaStatements(text))
    .map((statement) => statement.code);
  const found = (made: RegExp) =>
    code.flatMap((one) => [...one.matchAll(made)])
      .map(({ groups = {} }) => ({ name: "", table: "", ...groups }));
  const isOld = ({ table }: { table: string }) => OLD_TABLES.includes(table);
  const on = (kind: string, made: RegExp) =>
    found(made).filter(isOld)
      .map(({ name, table }) => `${kind} ${name} on public.${table}`);
  const relations = [
    /^create (?:table|view) public\.(?<name>(?<table>\w+))/g,
    /^create table public\.(?<table>\w+) \([^]*?\bconstraint (?<name>\w+) (?:primary key|unique)\b/g,
    /\bon sequence public\.(?<name>(?<table>\w+)_id_seq)/g,
  ].flatMap(found).filter((one) => !isOld(one));
  const indexes = found(
    /^create (?:unique )?index (?<name>\w+)\s+on public\./g,
  );
  return [
    list("v_relations", [...relations, ...indexes].map(({ name }) => name)),
    list("v_functions", [...signatures(files).values()]),
    list("v_on_tables", [
      ...on(
        "policy",
        /^create policy (?<name>\w+)\s+on public\.(?<table>\w+)/g,
      ),
      ...on(
        "trigger",
        /^create trigger (?<name>\w+)\s[^]*?\bon public\.(?<table>\w+)/g,
      ),
    ]),
  ].join("");
}

function list(variable: string, names: readonly string[]): string {
  const quoted = [...new Set(names)].sort().map((name) => `'${name}'`);
  return `  ${variable} constant text[] := array[\n${
    wrapped(quoted, "    ")
  }\n  ];\n`;
}
