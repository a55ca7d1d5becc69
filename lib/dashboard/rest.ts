/**
 * After work for pages that watch or poll, there is a pause that is this many times as long as the work took. So watching takes 5 % of
 * a core at most.
 */
export const REST = 20

/** The same for the replies to polls of clients that `authorize` tells apart. It is 3 % of a core, because sending the replies takes some more. */
export const POLL_REST = 30
