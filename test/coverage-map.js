// The sources of which every line and branch must be covered, by any test.
import { readdirSync } from 'node:fs'

const sources = folder => readdirSync(folder).filter(name => name.endsWith('.ts')).map(name => `${folder}/${name}`)
const folders = ['lib/core', 'lib/cluster', 'lib/cluster/bullmq', 'lib/cluster/local', 'lib/dashboard']

// The other files of lib/cluster/bullmq have branches that only a race between processes reaches. The chaos test reaches them,
// but not in each run. `npm run build` runs the dashboard's build.ts, no test does.
const plain = /bullmq\/(connection-error|ids|job|pages|schedules)\.ts$/
const covered = ['index.ts', ...folders.flatMap(sources)]
  .filter(file => (!file.includes('/bullmq/') || plain.test(file)) && file !== 'lib/dashboard/build.ts')

export default () => covered
