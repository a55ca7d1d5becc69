/** Items in the order in which they joined. */
export class LinkedList<Item extends ListItem> {
  first: Item | undefined = undefined
  last: Item | undefined = undefined
  size = 0

  toArray (): Item[] {
    const items = []
    for (let item = this.first; item !== undefined; item = ListItem.next(item)) items.push(item)
    return items
  }
}

/**
 * An item that is in one list at most. It stores its neighbours itself, so joining and leaving allocate and hash nothing.
 * The first item is found at once, where a Map or a Set first skips the entries that were deleted at its front.
 *
 * A task is an item. The methods are static, so that users do not find them on a task.
 */
export class ListItem {
  #list: LinkedList<any> | undefined = undefined
  #previous: ListItem | undefined = undefined
  #next: ListItem | undefined = undefined

  static next<Item extends ListItem> (item: Item): Item | undefined {
    return item.#next as Item | undefined
  }

  static isIn<Item extends ListItem> (item: Item, list: LinkedList<Item>): boolean {
    return item.#list === list
  }

  /** Appends an item to a list and removes it from the list that it is in. */
  static join<Item extends ListItem> (item: Item, list: LinkedList<Item>): void {
    ListItem.leave(item)
    const { last } = list
    item.#list = list
    item.#previous = last
    if (last === undefined) list.first = item
    else last.#next = item
    list.last = item
    list.size++
  }

  /** Removes an item from the list that it is in, if any. */
  static leave (item: ListItem): void {
    const list = item.#list
    if (list === undefined) return
    if (item.#previous === undefined) list.first = item.#next
    else item.#previous.#next = item.#next
    if (item.#next === undefined) list.last = item.#previous
    else item.#next.#previous = item.#previous
    item.#list = item.#previous = item.#next = undefined
    list.size--
  }
}
