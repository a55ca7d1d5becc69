/** Items in order. No two of them compare as equal. What an item is compared by must not change while it is in here. */
export class Sorted<Item> {
  readonly #items: Item[] = []
  readonly #compare: (a: Item, b: Item) => number

  constructor (compare: (a: Item, b: Item) => number) {
    this.#compare = compare
  }

  get size () { return this.#items.length }
  get first () { return this.#items[0] }

  add (item: Item): void {
    this.#items.splice(this.#placeOf(item), 0, item)
  }

  delete (item: Item): void {
    this.#items.splice(this.#placeOf(item), 1)
  }

  [Symbol.iterator] () {
    return this.#items.values()
  }

  * backwards () {
    for (let i = this.#items.length - 1; i >= 0; i--) yield this.#items[i]!
  }

  /** The index at which an item is, or belongs. Most belong at the end. */
  #placeOf (item: Item): number {
    let low = 0
    let high = this.#items.length
    if (high > 0 && this.#compare(this.#items[high - 1]!, item) < 0) return high
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#compare(this.#items[middle]!, item) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
