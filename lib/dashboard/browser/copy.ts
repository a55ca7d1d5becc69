import { button } from './element.ts'
import { notify } from './notice.ts'

/** A button that copies a text, for a report or a search. */
export function copyButton (label: string, text: () => string): HTMLButtonElement {
  return button(label, () => { copy(text()) }, { class: 'small' })
}

async function copy (text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    notify('Copied.')
  } catch {
    // Browsers allow it only on pages of https: or of localhost.
    notify('The browser does not let this page copy.', 'bad')
  }
}
