import auth from '@fastify/auth'
import basicAuth from '@fastify/basic-auth'
import type { FastifyInstance, RouteOptions } from 'fastify'
import t, { type Test } from 'tap'
import dashboard, { type FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import { buildApp } from '../core/fixtures/app.ts'
import { watch } from './fixtures/dashboard.ts'

const authorization = `Basic ${btoa('ann:secret')}`

/** An app that has the dashboard behind basic authentication, and the routes that the dashboard has added. */
async function startGuarded (t: Test, onRequest: (app: FastifyInstance) => FastifyTasksDashboardOptions['onRequest']) {
  const { app } = await buildApp(t)
  await app.register(basicAuth, {
    validate: async (username, password) => {
      if (username !== 'ann' || password !== 'secret') throw new Error('Who are you?')
    }
  })
  await app.register(auth)
  const routes: RouteOptions[] = []
  app.addHook('onRoute', route => { routes.push(route) })
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: onRequest(app) })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  return { routes: routes.flatMap(({ method, url }) => [method].flat().map(method => ({ method, url: address + url }))), url: `${address}/admin/tasks` }
}

t.test('the hook guards every route', async t => {
  const { routes } = await startGuarded(t, app => app.basicAuth)
  for (const path of ['/', '', '/style.css', '/main.js', '/health', '/tasks', '/tasks/:id', '/events', '/kinds', '/kinds/tasks', '/kinds/task', '/kinds/pause']) {
    t.ok(routes.some(({ url }) => url.endsWith(`/admin/tasks${path}`)), path)
  }
  for (const { method, url } of routes) {
    const { status } = await fetch(url, { method, redirect: 'manual' })
    t.equal(status, 401, `${method} ${new URL(url).pathname}`)
  }
})

t.test('a client that the hook lets in gets every route', async t => {
  const { url } = await startGuarded(t, app => app.basicAuth)
  for (const path of ['/', '/style.css', '/main.js', '/health', '/tasks', '/kinds']) {
    t.equal((await fetch(url + path, { headers: { authorization } })).status, 200, path)
  }
  t.equal((await watch(t, `${url}/events`, { headers: { authorization } })).response.status, 200)
})

t.test('if there are several hooks, all must let a client in', async t => {
  const { url } = await startGuarded(t, app => [app.basicAuth, async (request, reply) => {
    if (request.headers['x-second'] !== 'yes') await reply.code(403).send()
  }])
  t.equal((await fetch(`${url}/tasks`, { headers: { 'x-second': 'yes' } })).status, 401)
  t.equal((await fetch(`${url}/tasks`, { headers: { authorization } })).status, 403)
  t.equal((await fetch(`${url}/tasks`, { headers: { authorization, 'x-second': 'yes' } })).status, 200)
})

t.test('@fastify/auth is a hook like any other', async t => {
  const { url } = await startGuarded(t, app => app.auth([app.basicAuth]))
  t.equal((await fetch(`${url}/tasks`)).status, 401)
  t.equal((await fetch(`${url}/tasks`, { headers: { authorization } })).status, 200)
})

t.test('the hook guards no other route of the app', async t => {
  const { url } = await startGuarded(t, app => app.basicAuth)
  t.equal((await fetch(new URL('/', url))).status, 404)
})
