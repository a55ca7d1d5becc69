import Fastify from 'fastify'
import tasks from '../../../index.ts'

/** The app of a fragment that registers the plugin itself. */
export async function createBareApp () {
  return Fastify({ logger: true })
}

/** The app of a fragment. */
export async function createApp () {
  const app = await createBareApp()
  await app.register(tasks)
  return app
}
