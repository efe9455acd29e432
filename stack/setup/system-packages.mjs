import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { ExplainedError } from "./explained-error.mjs";
import { runWithProgress } from "./progress.mjs";

// Each package with one file that only it brings: looking for files takes no
// time, asking dpkg does.
const packages = {
  "postgresql-15": "/usr/lib/postgresql/15/bin/postgres",
  "postgresql-15-cron": "/usr/lib/postgresql/15/lib/pg_cron.so",
  "postgresql-15-pgtap": "/usr/share/postgresql/15/extension/pgtap.control",
  "postgresql-15-plpgsql-check":
    "/usr/share/postgresql/15/extension/plpgsql_check.control",
  // pg_prove, which runs the database tests
  "libtap-parser-sourcehandler-pgtap-perl": "/usr/bin/pg_prove",
};

// What only checks use; where nobody can install it, they are skipped.
const packagesForChecks = {
  // Shows a server another time.
  "libfaketime": `/usr/lib/${
    process.arch === "arm64" ? "aarch64" : "x86_64"
  }-linux-gnu/faketime/libfaketime.so.1`,
};

const aptLists = "/var/lib/apt/lists";
const listsKeepMs = 24 * 60 * 60 * 1000;

// Debian would make a cluster of its own and start it on port 5432.
const noMainCluster = `
  mkdir -p /etc/postgresql-common
  cd /etc/postgresql-common
  grep -qs '^ *create_main_cluster *= *false' createcluster.conf ||
    echo 'create_main_cluster = false' >> createcluster.conf`;

/** The packages that are not installed. */
export function missingPackages() {
  return missingOf(packages);
}

function missingOf(wanted) {
  return Object.keys(wanted).filter((name) => !existsSync(wanted[name]));
}

/** Why this user cannot install them without being asked; undefined = can. */
export function obstacleToInstalling() {
  if (!isDebian12()) return `this is ${system()} and not Debian 12`;
  if (process.getuid() === 0) return undefined;
  const sudo = spawnSync("sudo", ["-n", "true"]);
  return sudo.error || sudo.status !== 0
    ? `this user may not install ${missingPackages().join(" ")}`
    : undefined;
}

/** Plans the Debian packages, unless they are all there. */
export function planSystemPackages(forChecks) {
  const forThem = forChecks ? missingOf(packagesForChecks) : [];
  const wanted = forThem.length === 0 || obstacleToInstalling() ? [] : forThem;
  const missing = [...missingPackages(), ...wanted];
  if (missing.length === 0) return undefined;
  if (!isDebian12()) throw notDebian(missing);
  const asRoot = rootCommand(missing);
  return {
    what: `Debian packages, by apt: ${missing.join(" ")}`,
    install: () => install(missing, asRoot).catch(nameTheOther),
  };
}

/** apt may have no way to its archive where npm has one to its own. */
function nameTheOther(error) {
  throw new ExplainedError(
    `${error.message}\n\nPOSTGRES=17 does without these packages`,
  );
}

async function install(missing, asRoot) {
  if (missing.includes("postgresql-15")) {
    await asRoot("Turning off Debian's own cluster", [
      "sh",
      "-c",
      noMainCluster,
    ]);
  }
  if (listsAreStale()) await update(asRoot);
  const installPackages = () =>
    asRoot(`Installing ${missing.length} Debian packages`, [
      "apt-get",
      "install",
      "--yes",
      "--quiet",
      "--no-install-recommends",
      // Another apt may be at work, as on a machine that has just booted.
      "--option=DPkg::Lock::Timeout=120",
      // Keep our createcluster.conf without asking.
      "--option=Dpkg::Options::=--force-confold",
      ...missing,
    ]);
  try {
    await installPackages();
  } catch (error) {
    // Lists that look fresh can name packages that are no longer there.
    if (!/Unable to (locate|fetch)|404/.test(error.message)) throw error;
    await update(asRoot);
    await installPackages();
  }
}

function update(asRoot) {
  return asRoot("Reading the package lists", [
    "apt-get",
    "update",
    "--quiet",
    "--option=DPkg::Lock::Timeout=120",
  ]);
}

/** How to run something as root here; throws when there is no way. */
function rootCommand(missing) {
  const environment = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"];
  if (process.getuid() === 0) {
    return (title, words) =>
      runWithProgress(title, environment[0], [
        ...environment.slice(1),
        ...words,
      ]);
  }
  const hasSudo = spawnSync("sudo", ["-n", "true"]);
  const mayAsk = process.stdin.isTTY && !process.env.CI;
  if (hasSudo.error || (hasSudo.status !== 0 && !mayAsk)) {
    throw new ExplainedError(
      "POSTGRES=15 needs Debian packages, and this user can neither be root " +
        "nor use sudo without a password. Leave POSTGRES out for npm's " +
        "Postgres 17, or let an administrator run:\n\n" +
        commandsFor(missing),
    );
  }
  return (title, words) => {
    // Asks for the password, where it is needed, before the progress begins.
    if (hasSudo.status !== 0) spawnSync("sudo", ["-v"], { stdio: "inherit" });
    return runWithProgress(title, "sudo", ["-n", ...environment, ...words]);
  };
}

function notDebian(missing) {
  return new ExplainedError(
    `POSTGRES=15 installs itself only on Debian 12; this is ${system()}. ` +
      "Leave POSTGRES out for npm's Postgres 17. Where apt knows these " +
      `packages, as root:\n\n${commandsFor(missing)}`,
  );
}

function system() {
  return releaseField("PRETTY_NAME") ?? process.platform;
}

function commandsFor(missing) {
  return [
    "  mkdir -p /etc/postgresql-common",
    "  echo 'create_main_cluster = false' >> " +
    "/etc/postgresql-common/createcluster.conf",
    "  apt-get update",
    `  apt-get install --yes ${missing.join(" ")}`,
  ].join("\n");
}

function listsAreStale() {
  try {
    const newest = readdirSync(aptLists)
      .filter((name) => name.endsWith("_Packages") || /_Packages\./.test(name))
      .map((name) => statSync(`${aptLists}/${name}`).mtimeMs)
      .reduce((a, b) => Math.max(a, b), 0);
    // The files carry the archive's date; the directory that of the last update.
    const updated = statSync(`${aptLists}/partial`).mtimeMs;
    return newest === 0 || Date.now() - updated > listsKeepMs;
  } catch {
    return true;
  }
}

function isDebian12() {
  return releaseField("ID") === "debian" && releaseField("VERSION_ID") === "12";
}

function releaseField(name) {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    return new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(text)?.[1];
  } catch {
    return undefined;
  }
}
