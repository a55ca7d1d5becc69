import os from 'node:os'
import { polling, watching } from './dashboard.js'
import { generators } from './generators.js'
import { growth } from './growth.js'
import { memory } from './memory.js'
import { overhead } from './overhead.js'
import { requests } from './requests.js'

const columns = {
  promise: 'a bare promise',
  byHand: 'tracked by hand',
  controller: 'by hand, with an AbortController',
  queue: 'p-queue',
  fiberMap: 'FiberMap',
  tasks: 'fastify-tasks'
}

function format (cell) {
  if (cell === undefined) return '–'
  return Number.isInteger(cell) ? String(cell) : cell.toFixed(2)
}

function line ({ what, cells, goals = {} }) {
  const verdicts = Object.entries(goals).map(([goal, met]) => `${goal} ${met ? 'ok' : 'missed'}`)
  return [what, ...Object.keys(columns).map(name => format(cells[name])), verdicts.join('; ')]
}

// Memory is measured first, in a heap that nothing else has grown.
const rows = { memory: await memory(), overhead: await overhead(), generators: await generators(), growth: await growth(), requests: await requests(), watching: await watching(), polling: await polling() }
const lines = [...rows.overhead, ...rows.generators, ...rows.growth, ...rows.memory, ...rows.requests, ...rows.watching, ...rows.polling].map(line)

const table = [['', ...Object.values(columns), 'goal'], ['---', ...Object.keys(columns).map(() => '---:'), '---'], ...lines]
for (const cells of table) console.log(`| ${cells.join(' | ')} |`)

console.log()
console.log('Processor time, or requests, as a multiple of the cell that is 1; bytes and percentages as they are. A route with no task runs the same code everywhere: its difference from 1 is noise.')
console.log(`Node ${process.version}, ${os.cpus()[0].model}, ${os.availableParallelism()} cores`)
