type Attributes = Record<string, string | boolean | undefined>

/**
 * Makes an element. Whatever is shown goes through here or through `textContent`, so that it is text: no name, progress or
 * error of a task can be markup.
 */
export function element<Tag extends keyof HTMLElementTagNameMap> (
  tag: Tag, attributes: Attributes = {}, ...children: Array<Node | string>
): HTMLElementTagNameMap[Tag] {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value)
  node.append(...children)
  return node
}

export function button (label: string, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const node = element('button', { type: 'button', ...attributes }, label)
  node.addEventListener('click', onClick)
  return node
}

/** Sets or removes an attribute, and leaves it alone where it says that already. */
export function setAttribute (node: Element, name: string, value: string | boolean | undefined): void {
  const text = value === true ? '' : value === false ? undefined : value
  if (text === undefined) node.removeAttribute(name)
  else if (node.getAttribute(name) !== text) node.setAttribute(name, text)
}

/** Sets a text, and leaves it alone where it says that already: a selection in it lives on. */
export function setText (node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

/** An element of the page's markup. */
export function byId<Kind extends HTMLElement> (id: string): Kind {
  return document.getElementById(id) as Kind
}
