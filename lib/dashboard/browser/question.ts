import { button, byId, element } from './element.ts'

const dialog = byId<HTMLDialogElement>('question')

export interface Question {
  title: string
  text: string
  yes: string
  no: string
}

/** Asks before something is done that cannot be undone. Escape is a no, and so is Enter. */
export function ask ({ title, text, yes, no }: Question): Promise<boolean> {
  const keep = button(no, () => dialog.close())
  dialog.replaceChildren(element('div', { class: 'inside' },
    element('h2', { id: 'question-title' }, title),
    element('p', { id: 'question-text' }, text),
    element('div', { class: 'buttons' }, keep, button(yes, () => dialog.close('yes'), { class: 'danger' }))
  ))
  dialog.returnValue = ''
  dialog.showModal()
  keep.focus()
  return new Promise(resolve => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
  })
}
