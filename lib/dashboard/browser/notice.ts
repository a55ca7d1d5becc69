import { byId, setText } from './element.ts'

const shownFor = 8000

const notice = byId('notice')
const announcement = byId('announcement')
let timer: ReturnType<typeof setTimeout> | undefined

/** Tells a screen reader, when it has nothing else to say. */
export function announce (text: string): void {
  setText(announcement, text)
}

/** Tells how something ended that the operator did. */
export function notify (text: string, tone: 'good' | 'bad' = 'good'): void {
  clearTimeout(timer)
  notice.dataset.tone = tone
  notice.hidden = false
  setText(notice, text)
  announce(text)
  timer = setTimeout(() => { notice.hidden = true }, shownFor)
}
