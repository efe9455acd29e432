import { join } from "node:path";
import type { Examination, Finding } from "../finding.ts";
import { installedIn, UNINSTALL } from "../installed.ts";
import { type Migration, PLACES, type Project, textOf } from "../project.ts";
import { examineConfig } from "./config.ts";
import { findingsOfFunctionVersion } from "./versions.ts";

/** Looks at the files of a project: collisions, and what is missing. */
export function examineFiles(project: Project, version: string): Examination {
  const { numbers, extras } = installedIn(project);
  const isInstalled = numbers.size + extras.size > 0;
  return {
    findings: [
      ...isInstalled ? [] : [NOT_INSTALLED],
      ...foreignMigrations(project),
      ...sharedStamps(project),
      ...isInstalled ? order(project) : [],
      ...examineFunction(project, isInstalled, version),
      ...examineConfig(project.config, isInstalled),
    ],
    notLookedAt: [],
  };
}

const NOT_INSTALLED: Finding = {
  code: "not-installed",
  severity: "note",
  what: "This project does not have the queue",
  remedy: "npx fairlane init",
};

function isOurs({ name }: Migration): boolean {
  return /^fairlane_(?:\d{4}_.*|jobs|bucket|uninstall)$/.test(name);
}

const SCHEMA =
  /\b(?:create|alter|drop)\s+schema\s+(?:if\s+(?:not\s+)?exists\s+)?"?(fairlane(?:_core)?)\b(?!["\w]*-)/i;

/** Those of the app that make or change a schema of our name. A look at the text, so at no SQL that is put together at run time. */
function foreignMigrations({ root, migrations }: Project): Finding[] {
  return migrations.filter((one) => !isOurs(one)).flatMap(({ file }) => {
    const text = textOf(root, join(PLACES.migrations, file)) ?? "";
    const schema = SCHEMA.exec(withoutComments(text))?.[1];
    return schema === undefined ? [] : [{
      code: "schema-taken",
      severity: "error" as const,
      what:
        `The migration ${file} creates or changes a schema ${schema.toLowerCase()}, a name that the queue needs`,
      remedy:
        "Rename that schema, in a migration of its own if it has been pushed",
    }];
  });
}

function withoutComments(sql: string): string {
  return sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, " ");
}

/** The CLI keeps one migration for each time: the second of a pair fails, or is passed over. */
function sharedStamps({ migrations }: Project): Finding[] {
  return migrations.filter(isOurs).flatMap((ours) => {
    const others = migrations.filter(({ stamp, file }) =>
      stamp === ours.stamp && file !== ours.file
    );
    return others.length === 0 ? [] : [{
      code: "stamp-taken",
      severity: "error" as const,
      what: `${ours.file} has the same time in its name as ${
        others.map(({ file }) => file).join(" and ")
      }`,
      remedy:
        "Rename the one that has not been pushed, to a time after the youngest migration",
    }];
  });
}

/** A database can only be made by all of them, one after the other. */
function order({ migrations }: Project): Finding[] {
  const names = migrations.filter(isOurs).map(({ name }) => name);
  const since = names.slice(names.lastIndexOf(UNINSTALL) + 1);
  const there = since.map((name) =>
    /^fairlane_(\d{4})_/.exec(name)?.[1] ?? name
  );
  const numbers = there.filter((one) => /^\d/.test(one));
  const isWhole = there[0] === "0001" &&
    numbers.every((number, index) => Number(number) === index + 1);
  return isWhole ? [] : [{
    code: "migrations-incomplete",
    severity: "error",
    what: `The migrations of the queue are, in this order: ${
      there.join(", ")
    }. They must begin with 0001 and leave out none`,
    remedy:
      "Get the missing ones back from version control, under their old names. If nothing has been pushed: delete them all, then npx fairlane init",
  }];
}

const FIRST_LINE = /^\/\/ Fairlane (\S+), written by `fairlane init`/;

function examineFunction(
  { root, functions }: Project,
  isInstalled: boolean,
  version: string,
): Finding[] {
  const index = textOf(root, join(PLACES.function, "index.js"));
  const found = FIRST_LINE.exec(index ?? "")?.[1];
  if (!functions.includes("fairlane")) {
    return isInstalled ? [functionMissing(PLACES.function)] : [];
  }
  if (found === undefined) {
    return [{
      code: "function-taken",
      severity: "error",
      what: `${PLACES.function} is not the function of the queue`,
      remedy: isInstalled
        ? "Rename the folder, if it is yours, then npx fairlane upgrade"
        : "Rename the folder; your function gets another address by that",
    }];
  }
  if (!isInstalled) {
    return [{
      code: "function-left",
      severity: "warning",
      what: `${PLACES.function} is there, and no migration of the queue`,
      remedy:
        "Get the migrations back from version control, or npx fairlane init, or delete the folder",
    }];
  }
  return [
    ...["deno.json", "deno.lock"]
      .map((name) => join(PLACES.function, name))
      .filter((path) => textOf(root, path) === undefined)
      .map(functionMissing),
    ...findingsOfFunctionVersion(PLACES.function, found, version),
  ];
}

function functionMissing(path: string): Finding {
  return {
    code: "function-missing",
    severity: "warning",
    what: `${path} is missing: the function cannot be deployed from here`,
    remedy: "npx fairlane upgrade",
  };
}
