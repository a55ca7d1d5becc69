import { element, setAttribute, setText } from './element.ts'
import { count, inline } from './format.ts'
import { visible } from './name.ts'

interface Bar { share: number, words: string }

/** The bar of a progress, if it has one: `{ percent }`, `{ done, total }`, or a number from 0 to 1. */
export function barOf (progress: unknown): Bar | undefined {
  if (typeof progress === 'number') return progress >= 0 && progress <= 1 ? percentage(progress) : undefined
  if (typeof progress !== 'object' || progress === null) return undefined
  const { percent, done, total } = progress as Record<string, unknown>
  if (typeof percent === 'number') return percentage(percent / 100)
  if (typeof done !== 'number' || typeof total !== 'number' || total <= 0) return undefined
  return { share: clamp(done / total), words: `${count(done)} of ${count(total)}` }
}

function percentage (share: number): Bar {
  return { share: clamp(share), words: `${Math.floor(clamp(share) * 100)} %` }
}

function clamp (share: number): number {
  return Math.min(1, Math.max(0, share))
}

/** Shows a progress: a bar and its numbers, or a short text. */
export class Progress {
  readonly element: HTMLElement
  readonly #bar = element('progress', { max: '1', 'aria-label': 'Progress', hidden: true })
  readonly #words = element('span', { class: 'words' })

  constructor () {
    this.element = element('div', { class: 'progress-of' }, this.#bar, this.#words)
  }

  get isBar () { return !this.#bar.hidden }

  /** A task that has completed has no bar: one at 99 % would look as if it were stuck. */
  update (progress: unknown, isCompleted: boolean): void {
    const bar = barOf(progress)
    this.#bar.hidden = bar === undefined || isCompleted
    if (bar !== undefined && this.#bar.value !== bar.share) this.#bar.value = bar.share
    const text = visible(inline(progress))
    setText(this.#words, bar?.words ?? text)
    setAttribute(this.element, 'title', text || undefined)
  }
}
