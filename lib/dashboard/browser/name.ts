import { element, setAttribute } from './element.ts'

/** How many characters at the end of a name are shown if it is too long for its place. */
const endLength = 10
const longestName = 500

/** Characters that cannot be seen, or that change the direction of the text: controls, directions, spaces of width zero, halves of surrogate pairs. */
const unseen = /(?!\u200D)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|(?! )\p{Zs}/gu

/** A text with its invisible characters shown, on one line. */
export function visible (text: string): string {
  return text.replace(unseen, picture).replace(/^ +| +$/g, spaces => '␣'.repeat(spaces.length))
}

/** A text with its invisible characters shown. Tabs and line ends stay. */
export function visibleLines (text: string): string {
  return text.replace(unseen, character => character === '\n' || character === '\t' ? character : picture(character))
}

function picture (character: string): string {
  const code = character.codePointAt(0)!
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  return code === 0x7F ? '␡' : `‹U+${code.toString(16).toUpperCase().padStart(4, '0')}›`
}

/** Shows a name. If it does not fit, it is cut in the middle: names that begin alike often differ at their ends. */
export function showName (node: HTMLElement, name: string): void {
  const whole = visible(name.slice(0, longestName)) + (name.length > longestName ? '…' : '')
  if (node.textContent === whole) return
  setAttribute(node, 'title', whole)
  const at = splitOf(whole)
  node.replaceChildren(...at === 0
    ? [whole]
    : [element('span', { class: 'start' }, whole.slice(0, at)), element('span', { class: 'end' }, whole.slice(at))])
  node.classList.toggle('cut', at > 0)
  // The two parts are read as one.
  if (node instanceof HTMLButtonElement) setAttribute(node, 'aria-label', at > 0 ? whole : undefined)
}

/** Where a long name is cut: not inside a surrogate pair, before a combining mark, or beside a joiner. */
function splitOf (name: string): number {
  if (name.length < 2 * endLength) return 0
  let at = name.length - endLength
  while (at > 0 && (/^(\p{M}|\u200D|[\uDC00-\uDFFF])/u.test(name.slice(at, at + 2)) || name[at - 1] === '\u200D' || /^[\uDC00-\uDFFF]/.test(name.slice(at)))) at--
  return at
}

/** A name in a sentence, such as a question or a notice. */
export function inWords (name: string): string {
  const shown = visible(name.slice(0, 80))
  return name.length > 80 ? `${shown}…` : shown
}
