import { watch } from "node:fs";

/** Editors write a file in several steps; they count as one change. */
const settleMs = 60;

/** Calls back after source files below these folders change. */
export function watchSources(
  dirs: string[],
  onChange: () => void,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const watchers = dirs.map((dir) =>
    watch(dir, { recursive: true }, (_event, file) => {
      if (file !== null && !isSource(file)) return;
      clearTimeout(timer);
      timer = setTimeout(onChange, settleMs);
    })
  );
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}

/** Leaves out tests and what editors and tools write on the side. */
function isSource(file: string): boolean {
  return /\.(ts|js|json)$/.test(file) && !/\.test\.ts$/.test(file) &&
    !/(^|\/)(node_modules|\.[^/]+)\//.test(file);
}
