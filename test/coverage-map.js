// Every line of these must be covered, by whatever test.
import { readdirSync } from 'node:fs'

const sources = folder => readdirSync(folder).filter(name => name.endsWith('.ts')).map(name => `${folder}/${name}`)
const folders = ['lib', 'lib/cluster', 'lib/cluster/bullmq', 'lib/cluster/local', 'lib/dashboard']

// What processes that get into each other's way may meet there, the chaos run meets, but not every time.
const races = ['cancellations', 'events', 'postgres', 'progress-writer', 'queue', 'reader', 'runs'].map(name => `lib/cluster/bullmq/${name}.ts`)
const covered = ['index.ts', ...folders.flatMap(sources)].filter(file => !races.includes(file))

export default () => covered
