import type { History, HistoryMinute } from '../wire.ts'
import { request } from './api.ts'
import { byId, element, setAttribute, setText, svg } from './element.ts'
import { count, timeOfDay } from './format.ts'
import type { View } from './view.ts'

/** The parts of a column, from the bottom. What went wrong is at the bottom, where heights are easy to compare. */
const parts = ['failed', 'cancelled', 'completed'] as const
const height = 84
const columnWidth = 10
const gap = 2
/** The smallest height of a part, so that one failure can be seen beside a spike. */
const least = 2.5
/** So much higher than the highest column is the end of the scale, where its number is written. */
const headroom = 1.15

/** The chart of what settled in each minute of the last hour: stacked columns, the numbers of the minute under the pointer, and a table of all numbers. */
export class Chart {
  readonly #panel = byId('chart')
  readonly #plot = svg('svg', { role: 'img', preserveAspectRatio: 'none', class: 'plot' })
  readonly #top = element('span')
  readonly #axis = element('div', { class: 'axis', 'aria-hidden': 'true' })
  readonly #words = element('p', { class: 'readout' })
  readonly #idle = element('p', { class: 'idle', hidden: true }, 'Nothing has settled in the last hour')
  readonly #rows = element('tbody')
  #path = ''
  #minutes: HistoryMinute[] = []
  #pointed: number | undefined
  #shown = ''

  constructor () {
    const place = element('div', { class: 'place' }, this.#plot, this.#idle, element('div', { class: 'scale', 'aria-hidden': 'true' }, this.#top))
    place.addEventListener('pointermove', ({ clientX }) => {
      const { left, width } = place.getBoundingClientRect()
      this.#point(Math.floor((clientX - left) / width * this.#minutes.length))
    })
    place.addEventListener('pointerleave', () => this.#point(undefined))
    byId('chart-content').append(
      this.#words,
      place,
      this.#axis,
      element('table', { class: 'unseen' },
        element('caption', {}, 'What settled in each minute of the last hour'),
        element('thead', {}, element('tr', {}, ...['Minute', 'Completed', 'Failed', 'Cancelled'].map(text => element('th', { scope: 'col' }, text)))),
        this.#rows
      )
    )
  }

  show ({ fleet }: View): void {
    const path = fleet === undefined ? 'history' : `kinds/history?${new URLSearchParams(fleet === '' ? {} : { kind: fleet })}`
    if (path === this.#path) return
    this.#path = path
    this.#minutes = []
    this.#shown = ''
    this.#pointed = undefined
    this.#panel.classList.add('unread')
    this.refresh()
  }

  /** Reads the history again. If that fails, the chart is hidden, and the rest of the page goes on. */
  async refresh (): Promise<void> {
    const path = this.#path
    const { minutes } = await request<History>('GET', path).catch(() => ({ minutes: null }))
    if (path !== this.#path) return
    this.#panel.hidden = minutes === null
    this.#panel.classList.remove('unread')
    if (minutes === null || JSON.stringify(minutes) === this.#shown) return
    this.#shown = JSON.stringify(minutes)
    this.#minutes = minutes
    this.#draw()
  }

  #draw (): void {
    const minutes = this.#minutes
    const highest = Math.max(...minutes.map(minute => sum(minute)))
    const top = roundUp(highest * headroom)
    this.#idle.hidden = highest > 0
    setText(this.#top, highest > 0 ? `${count(top)} a minute` : '')
    setAttribute(this.#plot, 'viewBox', `0 0 ${minutes.length * columnWidth} ${height}`)
    setAttribute(this.#plot, 'aria-label', `In the last hour: ${inWords(minutes)}. At most ${count(highest)} in a minute.`)
    this.#plot.replaceChildren(
      ...[0, 0.5].map(at => svg('line', { class: 'grid', x1: '0', x2: String(minutes.length * columnWidth), y1: String(at * height), y2: String(at * height) })),
      ...minutes.map((minute, i) => column(minute, i, top, i === minutes.length - 1))
    )
    this.#axis.replaceChildren(...[0, 15, 30, 45].map(i => element('span', {}, timeOfDay(minutes[i]!.time))), element('span', {}, 'now'))
    this.#rows.replaceChildren(...minutes.map(minute => element('tr', {},
      element('th', { scope: 'row' }, timeOfDay(minute.time)),
      element('td', {}, count(minute.completed)),
      element('td', {}, count(minute.failed)),
      element('td', {}, count(minute.cancelled))
    )))
    this.#point(this.#pointed)
  }

  /** Shows the numbers of the minute under the pointer, or those of the hour. */
  #point (i: number | undefined): void {
    const minute = i === undefined ? undefined : this.#minutes[i]
    this.#pointed = minute === undefined ? undefined : i
    for (const [at, column] of this.#plot.querySelectorAll('g').entries()) column.classList.toggle('pointed', at === this.#pointed)
    const told = minute === undefined ? this.#minutes : [minute]
    const total = totalOf(told)
    this.#words.replaceChildren(
      minute === undefined ? '' : element('strong', {}, timeOfDay(minute.time)),
      ...(['completed', 'failed', 'cancelled'] as const).map(part => element('span', { class: 'key', 'data-status': part }, `${count(total[part])} ${part}`))
    )
    setText(byId('chart-summary'), inWords(this.#minutes))
  }
}

function column (minute: HistoryMinute, i: number, top: number, isPresent: boolean): SVGGElement {
  const group = svg('g', { class: isPresent ? 'present' : undefined },
    svg('rect', { class: 'ground', x: String(i * columnWidth), y: '0', width: String(columnWidth), height: String(height) }))
  let y = height
  // If parts are raised to be seen, the tallest part is lowered, so that the column keeps its height.
  const heights = parts.map(part => minute[part] === 0 ? 0 : Math.max(least, minute[part] / top * height))
  const excess = heights.reduce((a, b) => a + b, 0) - Math.max(sum(minute) / top * height, heights.reduce((a, b) => a + (b > 0 ? least : 0), 0))
  const tallest = heights.indexOf(Math.max(...heights))
  heights[tallest] = heights[tallest]! - excess
  for (const [n, part] of parts.entries()) {
    if (heights[n] === 0) continue
    y -= heights[n]!
    group.append(svg('rect', { class: part, x: String(i * columnWidth + gap / 2), y: y.toFixed(2), width: String(columnWidth - gap), height: heights[n]!.toFixed(2) }))
  }
  return group
}

function sum ({ completed, failed, cancelled }: HistoryMinute): number {
  return completed + failed + cancelled
}

function totalOf (minutes: HistoryMinute[]): Record<typeof parts[number], number> {
  const total = { completed: 0, failed: 0, cancelled: 0 }
  for (const minute of minutes) for (const part of parts) total[part] += minute[part]
  return total
}

function inWords (minutes: HistoryMinute[]): string {
  const { completed, failed, cancelled } = totalOf(minutes)
  return `${count(completed)} completed, ${count(failed)} failed, ${count(cancelled)} cancelled`
}

/** The end of the scale: the next round number, but at least 4. */
function roundUp (n: number): number {
  if (n <= 4) return 4
  const power = 10 ** Math.floor(Math.log10(n))
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map(step => step * power).find(step => step >= n && Number.isInteger(step))!
}
