// What thread.ts has its threads do. Plain JavaScript, so that a thread needs no loader on any Node.

/** How many primes there are up to the limit; whoever calls this is busy for a while. */
export default function countPrimes (limit) {
  let count = 0
  for (let candidate = 2; candidate <= limit; candidate++) {
    let divisor = 2
    while (candidate % divisor !== 0) divisor++
    if (divisor === candidate) count++
  }
  return count
}
