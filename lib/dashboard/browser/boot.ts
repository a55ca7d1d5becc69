import { describe, request, troubleIn } from './api.ts'
import { byId, element } from './element.ts'
import type { Health } from '../wire.ts'

/** Milliseconds until the server is asked again. */
const pause = 2000

const titles = {
  away: 'The server does not answer',
  refused: 'The server refuses the page',
  forbidden: 'You may not see this page',
  'signed-out': 'You are signed out'
}

const boot = byId('boot')

/** Asks the server what the page may do, until it answers. Meanwhile the page says why there is nothing to see. */
export async function untilReady (): Promise<Health> {
  boot.classList.add('started')
  boot.replaceChildren(element('strong', {}, 'Waiting for the server …'))
  for (;;) {
    try {
      return await request<Health>('GET', 'health')
    } catch (error) {
      tell(titles[troubleIn(error)], describe(error))
      if (troubleIn(error) !== 'away') await new Promise(() => {})
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  }
}

/** Shows the page in place of the text that says why there is none. */
export function endBoot (): void {
  boot.remove()
  byId('page').hidden = false
}

/** Says that the page itself is broken. It is not built a second time into the same document. */
export function tellFault (error: unknown): void {
  tell('The page has failed', String(error))
  byId('page').before(boot)
}

function tell (title: string, text: string): void {
  const reload = element('button', { type: 'button' }, 'Reload the page')
  reload.addEventListener('click', () => location.reload())
  boot.replaceChildren(element('strong', {}, title), text, element('div', {}, reload))
}
