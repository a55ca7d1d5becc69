// Every line of these must be covered, by whatever test.
import { readdirSync } from 'node:fs'

const sources = folder => readdirSync(folder).filter(name => name.endsWith('.ts')).map(name => `${folder}/${name}`)
const folders = ['lib/core', 'lib/cluster', 'lib/cluster/bullmq', 'lib/cluster/local', 'lib/dashboard']

// What processes that get into each other's way may meet on a server, the chaos run meets, but not every time.
const plain = /bullmq\/(connection-error|ids|job|pages|schedules)\.ts$/
const covered = ['index.ts', ...folders.flatMap(sources)].filter(file => !file.includes('/bullmq/') || plain.test(file))

export default () => covered
