type Attributes = Record<string, string | boolean | undefined>
type Child = Node | string | undefined | false

/**
 * Makes an element; a child that is undefined or false is left out. Everything on the page is made here or set by
 * `textContent`, so that names, progress and errors of tasks are text and never markup.
 */
export function element<Tag extends keyof HTMLElementTagNameMap> (
  tag: Tag, attributes: Attributes = {}, ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value)
  node.append(...present(children))
  return node
}

export function svg<Tag extends keyof SVGElementTagNameMap> (
  tag: Tag, attributes: Attributes = {}, ...children: Child[]
): SVGElementTagNameMap[Tag] {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag)
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value)
  node.append(...present(children))
  return node
}

export function button (label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const node = element('button', { type: 'button', ...attributes }, label)
  // A disabled button keeps its place and the focus. So it has `aria-disabled`, and its clicks are ignored here.
  node.addEventListener('click', () => node.getAttribute('aria-disabled') !== 'true' && onClick())
  return node
}

/** Sets or removes an attribute. It does nothing if the attribute has that value already. */
export function setAttribute (node: Element, name: string, value: string | boolean | undefined): void {
  const text = value === true ? '' : value === false ? undefined : value
  if (text === undefined) node.removeAttribute(name)
  else if (node.getAttribute(name) !== text) node.setAttribute(name, text)
}

/** Sets a text. It does nothing if the text is the same, so that a selection in it stays. */
export function setText (node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

/** Disables a button, which keeps its place and the focus. */
export function setEnabled (node: HTMLButtonElement, isEnabled: boolean): void {
  setAttribute(node, 'aria-disabled', isEnabled ? undefined : 'true')
}

/** Hides or shows an element. If the focus is in a hidden element, it moves to `next`, so that the body never gets it. */
export function setHidden (node: HTMLElement, isHidden: boolean, next: () => HTMLElement): void {
  const loses = isHidden && !node.hidden && node.contains(document.activeElement)
  node.hidden = isHidden
  if (loses) next().focus()
}

/** An element of the page's markup. */
export function byId<Kind extends HTMLElement> (id: string): Kind {
  return document.getElementById(id) as Kind
}

function present (children: Child[]): Array<Node | string> {
  return children.filter(child => child !== undefined && child !== false)
}
