import type { FastifyInstance } from 'fastify'

export interface Recipe {
  /** The name of its file, and of its program. */
  name: string
  /** What it shows, in one line. */
  what: string
  /** The server that it needs to show anything; TASKS_URL names another one than the default. */
  needs?: 'Redis'
  /** What to try while its program runs; `URL` stands for the address of the server. */
  toTry: string
  load: () => Promise<{ program: (app: FastifyInstance) => Promise<void> }>
}

export const recipes: readonly Recipe[] = [
  {
    name: 'at-most-n',
    what: 'at most two tasks at a time, with p-limit',
    toTry: 'for i in 1 2 3 4; do curl -X PUT URL/videos/$i; done',
    load: () => import('./at-most-n.ts')
  },
  {
    name: 'bull-board',
    what: "the fleet's kinds in bull-board; needs Redis at TASKS_URL",
    needs: 'Redis',
    toTry: 'curl -X POST URL/orders, and open URL/board in a browser',
    load: () => import('./bull-board.ts')
  },
  {
    name: 'bullmq-otel',
    what: 'spans across the fleet, with bullmq-otel; needs Redis at TASKS_URL',
    needs: 'Redis',
    toTry: 'curl -X POST URL/deliveries; the spans are printed',
    load: () => import('./bullmq-otel.ts')
  },
  {
    name: 'cron',
    what: 'work on a schedule, with croner',
    toTry: 'watch the log: the work runs every second here',
    load: () => import('./cron.ts')
  },
  {
    name: 'every-minute',
    what: 'work at an interval, with a timer of Node',
    toTry: 'watch the log: the work runs every second here',
    load: () => import('./every-minute.ts')
  },
  {
    name: 'fleet',
    what: 'a web process and a worker process that share tasks; reads TASKS_URL',
    toTry: 'open URL in a browser, or curl -X PUT URL/reports/2026; stop it with Ctrl-C and start it again: on a server the report goes on',
    load: () => import('./fleet/index.ts')
  },
  {
    name: 'metrics',
    what: 'metrics for Prometheus, with prom-client',
    toTry: 'curl -X POST URL/reports; curl URL/metrics',
    load: () => import('./metrics.ts')
  },
  {
    name: 'otel-metrics',
    what: 'metrics with OpenTelemetry',
    toTry: 'curl -X POST URL/reports, and wait ten seconds for the console',
    load: () => import('./otel-metrics.ts')
  },
  {
    name: 'per-user',
    what: 'at most two tasks per user, else a 429, in a process and in a fleet; reads TASKS_URL',
    toTry: 'for i in 1 2 3; do curl -X POST URL/fleet/users/ada/imports; done',
    load: () => import('./per-user.ts')
  },
  {
    name: 'progress',
    what: 'progress in the browser, with server-sent events',
    toTry: 'open URL in a browser',
    load: () => import('./progress.ts')
  },
  {
    name: 'readiness',
    what: "503 while the fleet's server is away, with @fastify/under-pressure; reads TASKS_URL",
    toTry: 'curl URL/ready; stop the server and try again',
    load: () => import('./readiness.ts')
  },
  {
    name: 'retries',
    what: 'retries with growing waits, with p-retry',
    toTry: "curl URL/orders -H 'content-type: application/json' -d '{\"pizzas\":3}'",
    load: () => import('./retries.ts')
  },
  {
    name: 'schedule',
    what: 'a schedule that runs once in the whole fleet; reads TASKS_URL',
    toTry: 'curl URL/clean-ups; curl URL/schedules',
    load: () => import('./schedule.ts')
  },
  {
    name: 'sentry',
    what: 'errors to Sentry; reads SENTRY_DSN',
    toTry: 'curl -X POST URL/reports',
    load: () => import('./sentry.ts')
  },
  {
    name: 'thread',
    what: 'work in another thread, with piscina',
    toTry: 'curl -X PUT URL/primes/100000',
    load: () => import('./thread.ts')
  },
  {
    name: 'tracing',
    what: 'a span for every task, with OpenTelemetry',
    toTry: 'curl -X POST URL/reports; the spans are printed',
    load: () => import('./tracing.ts')
  },
  {
    name: 'upload',
    what: 'a file that is uploaded, then imported by a task',
    toTry: "curl -i -H 'content-type: text/csv' --data-binary @FILE.csv URL/imports",
    load: () => import('./upload.ts')
  },
  {
    name: 'websocket',
    what: 'a task that receives while a WebSocket sends',
    toTry: 'npx wscat -c URL/feed',
    load: () => import('./websocket.ts')
  }
]
