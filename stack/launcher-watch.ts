import { parentOf } from "./process-info.ts";

const checkEveryMs = 500;

/**
 * Calls back when the `npm start` that launched this process is gone.
 *
 * npm puts a shell between itself and us, and passes on neither SIGTERM nor, of
 * course, SIGKILL; without this the stack would go on with nobody in front of it.
 */
export function onLauncherGone(callback: () => void): void {
  // Started without npm, in the background of a script say, we outlive it.
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const shell = process.ppid;
  const npm = parentOf(shell);
  const timer = setInterval(() => {
    if (process.ppid === shell && parentOf(shell) === npm) return;
    clearInterval(timer);
    callback();
  }, checkEveryMs);
  timer.unref();
}
