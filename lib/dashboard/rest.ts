/**
 * After work for pages that watch or poll, there is a pause that is this many times as long as the work took. So watching takes 5 % of
 * a core at most.
 */
export const REST = 20
