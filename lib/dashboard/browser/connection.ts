import { button, byId, element, setAttribute, setText } from './element.ts'
import { clock } from './format.ts'
import { announce } from './notice.ts'
import type { ConnectionState } from './stream.ts'

const words: Record<ConnectionState, string> = {
  connecting: 'Connecting',
  live: 'Live',
  polling: 'Live',
  paused: 'Paused',
  unread: 'Not readable',
  away: 'Lost',
  refused: 'Refused',
  forbidden: 'Not allowed',
  'signed-out': 'Signed out'
}

/** What is wrong, in a few words. The other states have no notice. */
const titles: Partial<Record<ConnectionState, string>> = {
  away: 'Connection lost',
  refused: 'The server refuses what the page asks for',
  forbidden: 'You may not see this',
  'signed-out': 'You are signed out'
}

export interface ConnectionListener {
  onPause: () => void
  onTryNow: () => void
  /** Clears the filters, because the server refuses what they ask for. */
  onReset: () => void
}

/** The state of the connection: a dot with a word and, if something is wrong, a notice that says what and offers a way out. */
export class Connection {
  readonly #state = byId('connection')
  readonly #pause = byId('pause')
  readonly #notice = byId('outage')
  readonly #title = element('strong')
  readonly #reason = element('span')
  readonly #buttons: Partial<Record<ConnectionState, HTMLButtonElement>>
  #shown: ConnectionState = 'connecting'
  #updatedAt: Date | undefined

  constructor ({ onPause, onTryNow, onReset }: ConnectionListener) {
    this.#pause.addEventListener('click', onPause)
    this.#buttons = {
      away: button('Try now', onTryNow),
      forbidden: button('Try again', onTryNow),
      refused: button('Show all tasks', onReset),
      'signed-out': button('Reload the page', () => location.reload())
    }
    this.#notice.append(element('div', {}, this.#title, this.#reason), ...Object.values(this.#buttons))
  }

  get state () { return this.#shown }

  show (state: ConnectionState, reason = ''): void {
    if (state === 'live' || state === 'polling') this.#updatedAt = new Date()
    const title = titles[state]
    if (title === undefined) this.#hideNotice()
    else this.#showNotice(state, title, reason)
    document.body.classList.toggle('stale', title !== undefined)
    if (state === this.#shown) return
    setAttribute(this.#state, 'data-state', state)
    setText(this.#state, words[state])
    setAttribute(this.#state, 'title', state === 'polling' ? 'This page polls, because it gets no stream of events.' : undefined)
    setText(this.#pause, state === 'paused' ? 'Resume' : 'Pause')
    const isFirst = this.#shown === 'connecting' && state !== 'paused' && title === undefined
    if (words[state] !== words[this.#shown] && !isFirst) announce(`${title ?? `The page is ${words[state].toLowerCase()}`}. ${reason}`)
    this.#shown = state
  }

  #showNotice (state: ConnectionState, title: string, reason: string): void {
    const since = this.#updatedAt === undefined ? '' : ` What you see is from ${clock(this.#updatedAt)}.`
    setText(this.#title, title)
    setText(this.#reason, `${reason}${since}${state === 'away' ? ' Trying again …' : ''}`)
    for (const [of, button] of Object.entries(this.#buttons)) button.hidden = of !== state
    this.#notice.hidden = false
  }

  /** If a button in the notice has the focus, the focus moves to a button that stays. */
  #hideNotice (): void {
    if (this.#notice.contains(document.activeElement)) this.#pause.focus()
    this.#notice.hidden = true
  }
}
