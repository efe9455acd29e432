/** Ways in which npm, apt and Deno say that nobody answered them. */
const NO_NETWORK =
  /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|Could not resolve|Temporary failure resolving|Could not connect|Network is unreachable|error sending request|dns error|connection refused|network socket disconnected/i;

const FULL_DISK =
  /ENOSPC|No space left on device|not enough free space|EDQUOT/i;

const NO_RIGHT = /EACCES|EROFS|Permission denied|Read-only file system/i;

/**
 * Why an installing program failed, and what to do, in a sentence each;
 * undefined when its words have to speak for themselves.
 */
export function failureReason(output) {
  // A full disk breaks downloads, too, so it comes first.
  if (FULL_DISK.test(output)) {
    return "The disk is full. Make room (about 700 MB) and run it again";
  }
  if (NO_NETWORK.test(output)) {
    return `There is no way to ${address(output) ?? "where it is"}. ` +
      "Look at the network, a proxy, or the registry that " +
      '"npm config get registry" names, and run it again; ' +
      "the first start has to download, later ones do not";
  }
  if (NO_RIGHT.test(output)) {
    return "This user may not write where it has to. " +
      "Was something here made by root? Give it to this user";
  }
  return undefined;
}

function address(output) {
  return /https?:\/\/[^\s/"')]+/.exec(output)?.[0];
}
