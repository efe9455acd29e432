/** What `npm start` and `npm run stack` take; read before anything is installed. */
export const stackUsage = `npm run stack -- <command>

  start               start in the background ("npm start" stays in front)
  stop                stop it; the data stays
  status [-o env]     addresses and keys; -o env or -o json for programs
  reset               make the database anew: migrations, then seed
  logs [-f]           what it has printed; -f goes on printing

API_PORT and DB_PORT name other ports than 54321 and 54322. Without them, and
with one of those taken, both give way to 54331 and 54332, 54341 and 54342, ...
POSTGRES=15 or 17 names the server; see docs/local-stack.md.`;

/** Whether somebody only asks what there is. */
export function asksForHelp(args) {
  return args.includes("--help") || args.includes("-h") || args[0] === "help";
}
