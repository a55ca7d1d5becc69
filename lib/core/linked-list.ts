/** Items in the order they joined. */
export class LinkedList<Item extends ListItem> {
  first: Item | undefined = undefined
  last: Item | undefined = undefined
  size = 0

  toArray (): Item[] {
    const items = []
    for (let item = this.first; item !== undefined; item = item.next) items.push(item)
    return items
  }
}

/**
 * An item that is in one list at most. It keeps its neighbours itself: joining and leaving, from anywhere, allocate and
 * hash nothing, and the first is found at once, where a Map or a Set scans the holes that the former firsts have left.
 */
export class ListItem {
  #list: LinkedList<this> | undefined = undefined
  #previous: this | undefined = undefined
  #next: this | undefined = undefined

  get next () { return this.#next }

  isIn (list: LinkedList<this>): boolean {
    return this.#list === list
  }

  /** Joins the end of a list, and leaves the one it is in. */
  join (list: LinkedList<this>): void {
    this.leave()
    this.#list = list
    this.#previous = list.last
    if (list.last === undefined) list.first = this
    else list.last.#next = this
    list.last = this
    list.size++
  }

  leave (): void {
    const list = this.#list
    if (list === undefined) return
    if (this.#previous === undefined) list.first = this.#next
    else this.#previous.#next = this.#next
    if (this.#next === undefined) list.last = this.#previous
    else this.#next.#previous = this.#previous
    this.#list = this.#previous = this.#next = undefined
    list.size--
  }
}
