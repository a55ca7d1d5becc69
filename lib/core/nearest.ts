/** How many letters must be added, dropped, changed or swapped with their neighbour to turn one word into another. */
function distance (a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + change)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, rows[i - 2]![j - 2]! + 1)
      row.push(least)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}

/** Whether one word contains the other, or at most a third of the letters differ. */
function isNear (word: string, other: string): boolean {
  const [short, long] = word.length < other.length ? [word, other] : [other, word]
  return (short.length > 2 && long.includes(short)) || distance(short, long) * 3 <= long.length
}

/** The word that `word` was probably meant to be, if one is near enough to be worth naming. */
function nearest (word: string, words: readonly string[]): string | undefined {
  const start = word.slice(0, 64).toLowerCase() // The time that a comparison takes grows with the square of the length.
  const near = words.filter(other => isNear(start, other.toLowerCase()))
  const distances = near.map(other => distance(start, other.toLowerCase()))
  return near[distances.indexOf(Math.min(...distances))]
}

/** The end of a message about a word that is not among these. It names the word that was probably meant, or else all of them. */
export function suggestion (word: string, words: readonly string[]): string {
  const near = nearest(word, words)
  return near === undefined ? `choose from ${words.map(word => `"${word}"`).join(', ')}` : `the nearest is "${near}"`
}
