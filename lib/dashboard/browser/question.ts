import { button, byId, element } from './element.ts'

const dialog = byId<HTMLDialogElement>('question')

export interface Question {
  title: string
  text: string
  yes: string
  no: string
  /** True if nothing is lost by it. */
  isHarmless?: boolean
}

/** Asks before something is done. Escape means no, and so does Enter. */
export function ask ({ title, text, yes, no, isHarmless = false }: Question): Promise<boolean> {
  const keep = button(no, () => dialog.close())
  dialog.replaceChildren(element('div', { class: 'inside' },
    element('h2', { id: 'question-title' }, title),
    element('p', { id: 'question-text' }, text),
    element('div', { class: 'buttons' }, keep, button(yes, () => dialog.close('yes'), { class: isHarmless ? 'primary' : 'danger' })),
    element('p', { class: 'unseen announcement', role: 'status' })
  ))
  dialog.returnValue = ''
  dialog.showModal()
  keep.focus()
  return new Promise(resolve => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
  })
}
