import process from "node:process";

/** As whom, and on which machine, somebody tries this project out. */
export type Who = "root" | "user" | "bare";

export const WHO: Readonly<Record<Who, string>> = {
  root: "root, with Debian's packages",
  user: "an ordinary user, with Debian's packages",
  bare: "an ordinary user, without a Postgres on the machine",
};

/** Nobody's account, which every machine has. */
const UID = 65_534;

/**
 * In a mount namespace of its own: the machine keeps what it has. Programs go
 * from an overlay, because what is mounted over a file leaves one there.
 */
const HIDE_POSTGRES = `
  set -e
  for dir in /usr/lib/postgresql /usr/share/postgresql; do
    [ ! -d "$dir" ] || mount -t tmpfs none "$dir"
  done
  mount -t tmpfs none /mnt
  mkdir /mnt/changes /mnt/work
  mount -t overlay none /usr/bin \
    -o lowerdir=/usr/bin,upperdir=/mnt/changes,workdir=/mnt/work
  find /usr/bin -lname '*/pg_wrapper' -delete
  rm -f /usr/bin/pg_prove /usr/bin/pg_config
  exec "$@"`;

/** Shell: names each of the programs that somebody without Postgres lacks. */
export const POSTGRES_PROGRAMS =
  "type -P psql pg_dump pg_prove pg_config initdb postgres || true";

/** What comes in front of a command, so that it is run by them. */
export function prefixFor(who: Who): string[] {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && who === "user") return [];
  if (!isRoot) throw new Error(`Only root can try it as ${WHO[who]}`);
  if (who === "root") return [];
  const asUser = [
    "setpriv",
    `--reuid=${UID}`,
    `--regid=${UID}`,
    "--clear-groups",
    "--",
  ];
  const hidden = ["unshare", "--mount", "sh", "-c", HIDE_POSTGRES, "sh"];
  return who === "bare" ? [...hidden, ...asUser] : asUser;
}

/** Who has to own the clone; undefined = whoever made it. */
export function ownerFor(who: Who): string | undefined {
  const isOther = who !== "root" && process.getuid?.() === 0;
  return isOther ? `${UID}:${UID}` : undefined;
}
