import process from "node:process";

/**
 * Calls back, once, when nobody reads any more what this process prints, as in
 * `npm run stack -- start | head -1`. Unheard, that ends a Node process with a
 * stack trace, in the middle of whatever it does.
 */
export function onReaderGone(callback) {
  let isGone = false;
  const leave = () => {
    // Everything that is still printed fails again.
    if (isGone) return;
    isGone = true;
    callback();
  };
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", leave);
  }
}
