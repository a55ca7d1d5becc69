// The names that the metrics recipes and grafana.json share. No label holds a name or an id: each would be
// a new time series, without limit.

/** Tasks that have started and not ended, by `kind`. */
export const ACTIVE = 'fastify_tasks_active'
/** Tasks that have ended, by `kind` and `status`. */
export const SETTLED = 'fastify_tasks_settled_total'
/** How long they ran, by `kind` and `status`. */
export const DURATION = 'fastify_tasks_duration_seconds'
/** Tasks of the whole fleet, by `kind` and `status`: \`deferred\`, \`running\`, \`completed\`, \`failed\`. */
export const FLEET = 'fastify_tasks_fleet'

/** Upper limits in seconds, from those of a request to six hours. */
export const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 1800, 3600, 21600]
