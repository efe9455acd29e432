import process from "node:process";
import { ExplainedError } from "./explained-error.mjs";
import { missingPackages, obstacleToInstalling } from "./system-packages.mjs";

/**
 * What the choice depends on.
 * @typedef {object} Machine
 * @property {string} [forced] the variable POSTGRES
 * @property {readonly string[]} missing Debian packages that are not installed
 * @property {string} [obstacle] why they cannot be installed without asking
 */

/**
 * Which Postgres runs here, and why, in words that follow "because".
 * @typedef {{ major: 15 | 17, because: string }} PostgresChoice
 */

/**
 * Debian's Postgres 15 with the real pg_cron where its packages are or can be
 * installed without asking, npm's 17 everywhere else.
 * @param {Machine} machine
 * @returns {PostgresChoice}
 */
export function choosePostgres({ forced, missing, obstacle }) {
  if (forced) {
    if (forced !== "15" && forced !== "17") {
      throw new ExplainedError(`POSTGRES must be 15 or 17, not "${forced}"`);
    }
    const because = `POSTGRES=${forced} asks for it`;
    return { major: forced === "15" ? 15 : 17, because };
  }
  if (missing.length === 0) {
    return { major: 15, because: "Debian's packages are installed" };
  }
  return obstacle === undefined
    ? { major: 15, because: "apt can install Debian's packages" }
    : { major: 17, because: obstacle };
}

/** @type {PostgresChoice | undefined} */
let choice;

/**
 * The choice for this machine, this user and this environment.
 * @returns {PostgresChoice}
 */
export function postgresHere() {
  choice ??= lookAround();
  return choice;
}

function lookAround() {
  const forced = process.env.POSTGRES;
  const missing = missingPackages();
  // To ask for sudo takes a moment, and is only of interest without packages.
  const obstacle = forced || missing.length === 0
    ? undefined
    : obstacleToInstalling();
  return choosePostgres({ forced, missing, obstacle });
}
