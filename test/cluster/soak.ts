// The chaos run: four processes, 5,000 tasks, a process killed every second, another one frozen for longer than
// `stallTimeout` and thawed, one task in twenty cancelled, the server restarted once. It prints what it found and exits with 1 if anything is wrong. `npm run soak:cluster`, or on one engine and
// with fewer tasks: node --import tsx test/cluster/soak.ts redis 300
import { chaos } from './chaos/chaos.ts'
import type { ServerName } from './fixtures/servers.ts'

const [, , engines = 'redis,postgres', tasks = '5000'] = process.argv

for (const engine of engines.split(',') as ServerName[]) {
  const { counts, problems, seconds } = await chaos(engine, { tasks: Number(tasks), killEvery: 1000, freezeEvery: 500, timeout: Number(process.env.LIMIT ?? 300_000) })
  console.log(`${engine}: ${tasks} tasks over four processes in ${seconds} s`)
  console.log(counts)
  console.log(problems.length === 0 ? 'nothing is wrong' : `${problems.length} problems`)
  for (const problem of problems.slice(0, 20)) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
}
