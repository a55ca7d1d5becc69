import { byId, element, setAttribute, setText } from './element.ts'
import { clock } from './format.ts'
import { announce } from './notice.ts'
import type { ConnectionState } from './stream.ts'

const words: Record<ConnectionState, string> = {
  connecting: 'Connecting',
  live: 'Live',
  polling: 'Live',
  paused: 'Paused',
  lost: 'Lost'
}

/** The dot that says whether the page is up to date. */
export class Connection {
  readonly #state = byId('connection')
  readonly #pause = byId('pause')
  readonly #notice = element('div', { class: 'outage lost', hidden: true })
  #shown: ConnectionState = 'connecting'
  #updatedAt: Date | undefined

  constructor (onPause: () => void) {
    this.#pause.addEventListener('click', onPause)
    this.#state.closest('header')!.append(this.#notice)
  }

  get isLost () { return this.#shown === 'lost' }

  show (state: ConnectionState, reason = ''): void {
    if (state === 'live' || state === 'polling') this.#updatedAt = new Date()
    if (state === 'lost') this.#tellLoss(reason)
    this.#notice.hidden = state !== 'lost'
    document.body.classList.toggle('stale', state === 'lost')
    if (state === this.#shown) return
    setAttribute(this.#state, 'data-state', state)
    setText(this.#state, words[state])
    setAttribute(this.#state, 'title', state === 'polling' ? 'As many pages watch as the server allows: this one asks again and again.' : undefined)
    setText(this.#pause, state === 'paused' ? 'Resume' : 'Pause')
    if (words[state] !== words[this.#shown] && this.#shown !== 'connecting') announce(`The page is ${words[state].toLowerCase()}`)
    this.#shown = state
  }

  #tellLoss (reason: string): void {
    const since = this.#updatedAt === undefined ? '' : ` What you see is from ${clock(this.#updatedAt)}.`
    const text = `${reason}${since} Trying again …`
    if (this.#notice.lastChild?.textContent === text) return
    this.#notice.replaceChildren(element('strong', {}, 'Connection lost'), text)
  }
}
