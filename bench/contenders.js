import { Effect, FiberMap, Scope } from 'effect'
import Fastify from 'fastify'
import tasks from 'fastify-tasks'

/** An app as in production: it logs, though not at debug. */
export async function readyApp () {
  const app = Fastify({ logger: { level: 'warn' } })
  await app.register(tasks)
  return app.ready()
}

/**
 * A FiberMap with its run function, which is the fastest of the idiomatic ways to start a fiber in it: `FiberMap.run` in
 * an Effect.gen loop takes a quarter longer. The effects that it runs are made once, for they are values.
 */
export function openFiberMap () {
  const scope = Effect.runSync(Scope.make())
  const map = Effect.runSync(Scope.provide(FiberMap.make(), scope))
  const run = Effect.runSync(FiberMap.runtime(map)())
  return { scope, map, run }
}
