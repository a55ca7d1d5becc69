import { byId, setAttribute, setText } from './element.ts'

/** How many milliseconds a notice stays. */
const shownFor = 8000

const notice = byId('notice')
let timer: ReturnType<typeof setTimeout> | undefined

/**
 * Tells a screen reader, once it has nothing else to say. What is outside an open dialog is hidden from it, so each dialog
 * has a live region of its own.
 */
export function announce (text: string): void {
  const regions = document.querySelectorAll('dialog:modal .announcement')
  const region = regions[regions.length - 1] ?? byId('announcement')
  // To announce the same text again, it must be removed in between.
  if (region.textContent === text) region.textContent = ''
  setText(region, text)
}

/** Says how an action of the operator has ended. */
export function notify (text: string, tone: 'good' | 'bad' = 'good'): void {
  clearTimeout(timer)
  setAttribute(notice, 'data-tone', tone)
  setText(notice, text)
  // It is opened anew, so that it is above each open dialog and its backdrop.
  if (notice.matches(':popover-open')) notice.hidePopover()
  notice.showPopover()
  announce(text)
  timer = setTimeout(() => notice.hidePopover(), shownFor)
}
