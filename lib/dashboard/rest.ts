/**
 * After work for those who watch or poll, the pause is this many times as long as the work took. So watching takes 5 % of a core at
 * most.
 */
export const REST = 20
